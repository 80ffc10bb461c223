(document (object (pair key: (_) @name) @section))
(document (array (object) @section))
