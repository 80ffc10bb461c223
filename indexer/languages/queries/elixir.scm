(call
  target: (identifier) @_keyword
  (arguments (alias) @name)
  (do_block) @body
  (#any-of? @_keyword "defmodule" "defprotocol" "defimpl")) @class
(call
  target: (identifier) @_keyword
  (arguments (alias) @name)
  (do_block (unary_operator operand: (call
    target: (identifier) @_attribute
    (arguments (string (quoted_content) @doc))))) @body
  (#eq? @_keyword "defmodule")
  (#eq? @_attribute "moduledoc")) @class
(call
  target: (identifier) @_keyword
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (identifier) @name operator: "when")
    (binary_operator left: (call target: (identifier) @name) operator: "when")])
  (do_block)? @body
  (#any-of? @_keyword "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defdelegate")) @function
(unary_operator operator: "@" operand: (call
  target: (identifier) @_attribute
  (arguments (string (quoted_content) @leaddoc))
  (#eq? @_attribute "doc"))) @lead
(unary_operator operator: "@" operand: (call
  target: (identifier) @_attribute
  (#any-of? @_attribute "doc" "spec" "impl" "deprecated" "since" "tag" "typedoc"))) @lead
