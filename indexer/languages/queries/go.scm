(function_declaration name: (identifier) @name body: (block)? @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @scope
    (pointer_type [(type_identifier) @scope (generic_type type: (_) @scope)])
    (generic_type type: (_) @scope)]))
  name: (field_identifier) @name
  body: (block)? @body) @method
(type_declaration "(" (type_spec name: (type_identifier) @name
  type: [(struct_type (field_declaration_list) @body) (interface_type "{" @body)]) @class)
((type_declaration . (type_spec name: (type_identifier) @name
  type: [(struct_type (field_declaration_list) @body) (interface_type "{" @body)])) @class
  (#not-match? @class "^type\\s*\\("))
(source_file (var_declaration (var_spec
  name: (identifier) @name
  value: (expression_list . (func_literal body: (block) @body) .))) @function)
