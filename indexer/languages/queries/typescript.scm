(function_declaration name: (identifier) @name body: (_) @body) @function
(generator_function_declaration name: (identifier) @name body: (_) @body) @function
(export_statement declaration: (function_declaration name: (identifier) @name body: (_) @body)) @function
(export_statement declaration: (generator_function_declaration name: (identifier) @name body: (_) @body)) @function
(export_statement "default" @name value: (function_expression !name body: (_) @body)) @function
(export_statement "default" @name value: (arrow_function body: (_) @body)) @function
(lexical_declaration (variable_declarator
  name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)])) @function
(variable_declaration (variable_declarator
  name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)])) @function
(export_statement declaration: (lexical_declaration (variable_declarator
  name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]))) @function
(expression_statement (assignment_expression
  left: [(member_expression) (identifier)] @name
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body) (generator_function body: (_) @body)])) @function
(class_body (method_definition name: (_) @name body: (_) @body) @function)
(lexical_declaration (variable_declarator name: (identifier) @name value: (class body: (_) @body))) @class
(variable_declaration (variable_declarator name: (identifier) @name value: (class body: (_) @body))) @class
(export_statement "default" @name value: (class !name body: (_) @body)) @class
(class_body (decorator) @lead)
(class_declaration name: (_) @name body: (_) @body) @class
(abstract_class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @class
(enum_declaration name: (_) @name body: (_) @body) @class
(internal_module name: (_) @name body: (_) @body) @class
(module name: (_) @name body: (_) @body) @class
(type_alias_declaration name: (_) @name value: (object_type) @body) @class
(export_statement declaration: [
  (class_declaration name: (_) @name body: (_) @body)
  (abstract_class_declaration name: (_) @name body: (_) @body)
  (interface_declaration name: (_) @name body: (_) @body)
  (enum_declaration name: (_) @name body: (_) @body)
  (internal_module name: (_) @name body: (_) @body)
  (type_alias_declaration name: (_) @name value: (object_type) @body)]) @class
(ambient_declaration [
  (class_declaration name: (_) @name body: (_) @body)
  (module name: (_) @name body: (_) @body)
  (internal_module name: (_) @name body: (_) @body)]) @class
(ambient_declaration (function_signature name: (_) @name)) @function
(function_signature name: (_) @name) @function
(export_statement declaration: (function_signature name: (_) @name)) @function
(class_body (abstract_method_signature name: (_) @name) @function)
(class_body (method_signature name: (_) @name) @function)
(interface_body (method_signature name: (_) @name) @function)
(class_body (public_field_definition
  name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function)
