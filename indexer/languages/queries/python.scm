(function_definition name: (identifier) @name body: (block) @body) @function
(class_definition name: (identifier) @name body: (block) @body) @class
(decorated_definition
  definition: (function_definition name: (identifier) @name body: (block) @body) @head) @function
(decorated_definition
  definition: (class_definition name: (identifier) @name body: (block) @body) @head) @class
