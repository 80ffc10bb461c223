(function_declaration name: [(identifier) (dot_index_expression)] @name body: (_)? @body) @function
(function_declaration name: (method_index_expression) @name body: (_)? @body) @method
(assignment_statement
  (variable_list . name: (_) @name)
  (expression_list . value: (function_definition body: (_)? @body))) @function
(variable_declaration (assignment_statement
  (variable_list . name: (_) @name)
  (expression_list . value: (function_definition body: (_)? @body)))) @function
