(statement (create_function (object_reference) @name (function_body) @body)) @function
(statement (create_procedure (object_reference) @name)) @function
(statement (create_trigger . (_) . (_) . (object_reference) @name)) @function
(statement (create_table (object_reference) @name (column_definitions)? @body)) @class
(statement (create_view . (_)* . (object_reference) @name (create_query) @body)) @class
(statement (create_materialized_view (object_reference) @name (create_query) @body)) @class
(statement (create_type (object_reference) @name)) @class
