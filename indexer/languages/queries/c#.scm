(namespace_declaration name: (_) @name body: (_) @body) @class
(class_declaration name: (identifier) @name body: (_)? @body) @class
(struct_declaration name: (identifier) @name body: (_)? @body) @class
(interface_declaration name: (identifier) @name body: (_)? @body) @class
(enum_declaration name: (identifier) @name body: (_)? @body) @class
(record_declaration name: (identifier) @name body: (_)? @body) @class
(method_declaration name: (identifier) @name body: (_)? @body) @function
(local_function_statement name: (identifier) @name body: (_)? @body) @function
(constructor_declaration name: (identifier) @name body: (_)? @body) @function
(destructor_declaration "~" @scope name: (identifier) @name body: (_)? @body) @function
(operator_declaration "operator" @name body: (_)? @body) @function
(indexer_declaration "this" @name accessors: (_)? @body) @function
