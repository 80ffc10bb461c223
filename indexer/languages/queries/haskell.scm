(signature name: (_) @name) @function
(function name: (_) @name) @function
(function (infix operator: (_) @name)) @function
(bind name: (_) @name) @function
(data_type name: (_) @name) @class
(newtype name: (_) @name) @class
(class name: (_) @name declarations: (_)? @body) @class
(instance name: (_) @name declarations: (_)? @body) @class
