(module name: (_) @name body: (_)? @body) @class
(class name: (_) @name body: (_)? @body) @class
(singleton_class body: (_)? @body) @class
(method name: (_) @name body: (_)? @body) @function
(singleton_method name: (_) @name body: (_)? @body) @function
