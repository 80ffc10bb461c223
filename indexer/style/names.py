"""What a snippet calls its variables and which APIs it calls, read off the syntax tree.

A variable is a name that is read or written as a value: parameters, locals, globals, constants, and fields where they
are declared. None are what functions, classes and modules are declared as, types, imports, labels, keyword arguments
and members (what follows a dot), nor what a chain of dots starts from: a local is bound elsewhere, anything else there
is a module or class. An API is a name that is called, without what it is called on: functions, methods, constructors,
macros, decorators, the commands of a shell.

The kinds are those of all grammars together, for they mean the same where they share a name. Python, JavaScript,
TypeScript, Java, Go, C and C++ are covered in full; in the other languages a name in a rarer place may count as a
variable that is none (in SQL tables and columns are meant to). Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter


def _kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Leaves that are names of values wherever nothing below says otherwise.
_NAMES = _kinds(
    """
    identifier simple_identifier variable variable_name instance_variable class_variable global_variable
    shorthand_property_identifier shorthand_property_identifier_pattern implicit_parameter
    """
)
# Leaves that name a field, and what they stand in where the field is declared.
_FIELDS = _kinds("field_identifier property_identifier private_property_identifier")
_FIELD_DECLARATIONS = _kinds(
    """
    field_declaration field_definition public_field_definition property_signature pointer_declarator
    array_declarator reference_declarator
    """
)
# What calls, and the fields that hold what is called, the first that is there; else it is the first kid.
_CALLS = _kinds(
    """
    call call_expression method_invocation object_creation_expression new_expression instance_expression
    invocation_expression function_call_expression member_call_expression nullsafe_member_call_expression
    scoped_call_expression constructor_invocation macro_invocation function_call command invocation apply
    builtin_function decorator
    """
)
_CALLED = ("function", "method", "name", "target", "constructor", "macro", "type")
_OBJECTS = frozenset(("object", "receiver", "scope"))
# Chains of names: the last kid is the name, the others are what it is looked up in.
_CHAINS = _kinds(
    """
    attribute member_expression field_access selector_expression field_expression qualified_identifier
    scoped_identifier scoped_type_identifier qualified_type member_access_expression
    nullsafe_member_access_expression conditional_access_expression member_binding_expression navigation_expression
    navigation_suffix dot dot_index_expression method_index_expression qualified dotted_name qualified_name
    dependent_name method_reference class_constant_access_expression nested_identifier
    """
)
# Names with something after them: type arguments, an exclamation mark, a schema's table.
_WRAPPED = _kinds(
    """
    template_function template_method template_type generic_type generic_name generic_function user_type
    command_name non_null_expression object_reference
    """
)
# Nothing in these names a value.
_SKIPPED = _kinds(
    """
    import_statement import_from_statement future_import_statement import_declaration import imports
    package_declaration package_clause package_header using_directive using_declaration namespace_use_declaration
    use_declaration extern_crate_declaration header preproc_include type type_annotation type_arguments
    type_argument_list type_parameters type_parameter type_parameter_list type_parameter_constraints_clause
    template_argument_list catch_type user_type annotation_type base_list base_clause base_class_clause
    class_heritage break_statement continue_statement goto_statement label label_statement destructor_name
    value_argument_label export_clause
    """
)
_SKIPPED_FIELDS = _kinds("type return_type returns superclass superclasses label external_name")
# Types that are written out where they are used declare fields or parameters.
_WRITTEN_OUT = _kinds("struct_type struct_specifier union_specifier class_specifier lambda_function_type")
_NAMED = _kinds(
    """
    function_definition class_definition function_declaration class_declaration method_declaration method_definition
    constructor_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration
    generator_function_declaration function_expression generator_function enum_constant function_item
    function_signature function_signature_item enum_variant enumerator internal_module module namespace_declaration
    struct_declaration delegate_declaration local_function_statement preproc_function_def annotation
    marker_annotation attribute keyword_argument method singleton_method trait_definition object_definition function
    signature jsx_opening_element jsx_closing_element jsx_self_closing_element
    """
)
# Kids that are names, but of something else than a value.
_OTHERS = frozenset(
    {(kind, "name") for kind in _NAMED}
    | {("function_declarator", "declarator"), ("element_value_pair", "key"), ("keyed_element", "key")}
    | {("labeled_statement", None), ("labeled_expression", None), ("keyword_pattern", None)}
    | {("except_clause", "value"), ("as_pattern", None), ("generic_name", None)}
)
# Elixir writes its own statements as calls.
_STATEMENTS = _kinds(
    """
    alias case cond def defdelegate defguard defimpl defmacro defmacrop defmodule defp defprotocol defstruct fn for
    if import quote raise receive require super throw try unless unquote use with
    """
)


def names(root: tree_sitter.Node, language: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the variables and of the called APIs below a node, each once."""
    variables: set[str] = set()
    apis: set[str] = set()
    stack: list[tuple[tree_sitter.Node, str]] = [(root, "")]
    while stack:
        node, parent = stack.pop()
        kind = node.type
        if kind in _CALLS:
            name, others = _call(node)
            if name and not (language == "elixir" and name in _STATEMENTS):
                apis.add(name)
            stack.extend((other, kind) for other in others)
        elif kind in _CHAINS:
            stack.extend((other, kind) for other in _chain(node)[1])
        elif not node.named_child_count:
            if kind in _NAMES or (kind in _FIELDS and parent in _FIELD_DECLARATIONS) or parent == "variable_name":
                variables.add(_text(node))
        elif kind not in _SKIPPED:
            stack.extend((kid, kind) for field, kid in kids(node) if not _means_other(kind, field, kid))
    return frozenset(filter(_is_name, variables)), frozenset(apis)


def kids(node: tree_sitter.Node) -> Iterator[tuple[str | None, tree_sitter.Node]]:
    """Yield the named kids of a node that are no comments, each with its field."""
    cursor = node.walk()
    there = cursor.goto_first_child()
    while there:
        kid = cursor.node
        if kid is not None and kid.is_named and "comment" not in kid.type:
            yield cursor.field_name, kid
        there = cursor.goto_next_sibling()


def _call(node: tree_sitter.Node) -> tuple[str, list[tree_sitter.Node]]:
    """Return the name that is called, "" where an expression is, and the nodes that are still to be looked at."""
    parts = list(kids(node))
    fields = {field: kid for field, kid in reversed(parts) if field}
    called = next((fields[field] for field in _CALLED if field in fields), parts[0][1] if parts else None)
    if called is None:
        return "", []
    name, others = _chain(called)
    for field, kid in parts:
        if kid.id != called.id and field != "type_arguments" and not (field in _OBJECTS and _is_leaf(kid)):
            others.append(kid)
    return name, others


def _chain(node: tree_sitter.Node) -> tuple[str, list[tree_sitter.Node]]:
    """Return the last name of a chain, "" where it ends in an expression, and the expressions it is made of."""
    others: list[tree_sitter.Node] = []
    while True:
        within = [kid for _, kid in kids(node)]
        if not within:
            return _text(node), others
        if node.type in _CHAINS:
            others.extend(kid for kid in within[:-1] if not _is_leaf(kid))
            node = within[-1]
        elif node.type in _WRAPPED:
            node = within[0]
        else:
            return "", [*others, node]


def _means_other(kind: str, field: str | None, kid: tree_sitter.Node) -> bool:
    if field in _SKIPPED_FIELDS and kid.type not in _WRITTEN_OUT:
        return True
    return (kind, field) in _OTHERS and (_is_leaf(kid) or kind == "keyed_element")


def _is_leaf(node: tree_sitter.Node) -> bool:
    return node.named_child_count == 0


def _is_name(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
