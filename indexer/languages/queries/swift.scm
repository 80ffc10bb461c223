(class_declaration name: (_) @name body: (_) @body) @class
(protocol_declaration name: (_) @name body: (_) @body) @class
(function_declaration name: (simple_identifier) @name body: (_)? @body) @function
(protocol_function_declaration name: (simple_identifier) @name) @function
(init_declaration "init" @name body: (_)? @body) @function
(deinit_declaration "deinit" @name body: (_)? @body) @function
(subscript_declaration "subscript" @name (computed_property) @body) @function
