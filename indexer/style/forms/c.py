"""C's and C++'s normal form: what is bound where, and how it is printed."""

from __future__ import annotations

from indexer.style.forms.bindings import Scope
from indexer.style.forms.blocks import BlockBinder
from indexer.style.forms.c_shapes import rewrite_c, rewrite_cpp
from indexer.style.forms.form import Form
from indexer.style.forms.printer import Layout
from indexer.style.forms.tree import Node, plain

_DECLARATORS = frozenset(
    {
        "pointer_declarator",
        "array_declarator",
        "reference_declarator",
        "init_declarator",
        "function_declarator",
        "parenthesized_declarator",
        "variadic_declarator",
        "attributed_declarator",
    }
)


class _Binder(BlockBinder):
    blocks = frozenset(
        {"compound_statement", "for_statement", "for_range_loop", "if_statement", "while_statement", "switch_statement"}
        | {"catch_clause", "requires_expression"}
    )
    names = frozenset({"identifier", "type_identifier"})
    skipped = frozenset(
        {
            ("struct_specifier", "name"),
            ("union_specifier", "name"),
            ("enum_specifier", "name"),
            ("class_specifier", "name"),
            ("enumerator", "name"),
            ("call_expression", "label"),
        }
    )

    def _function_definition(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope, node)
        for kid in node.kids:
            if kid.field == "declarator":
                self.signature(kid, inner)
            elif kid.field == "body" and kid.kids:
                # Parameters and the outermost block are one scope.
                self.kids(kid, inner)
            else:
                self.visit(kid, inner)

    _inline_method_definition = _function_definition

    def signature(self, node: Node, scope: Scope) -> None:
        """Bind the parameters of a function's declarator."""
        for kid in node.kids:
            if kid.type == "parameter_list":
                for parameter in kid.kids:
                    self.parameter(parameter, scope)
            elif kid.field == "declarator" or kid.type in _DECLARATORS:
                self.signature(kid, scope)
            elif kid.type != "identifier":
                self.visit(kid, scope)

    def parameter(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        for kid in node.kids:
            if kid.field == "declarator" or kid.type in _DECLARATORS:
                self.declarator(kid, scope, "p", plain(kind) if kind else "")
            else:
                self.visit(kid, scope)

    def declarator(self, node: Node, scope: Scope, role: str, kind: str, keep: bool = False) -> None:
        """Bind the name in a declarator, and visit what else stands in it."""
        if not node.kids:
            if node.type == "identifier":
                scope.declare(node, role, keep, kind)
            else:
                self.visit(node, scope)
            return
        if node.type == "structured_binding_declarator":
            for kid in node.kids:
                self.declarator(kid, scope, role, "auto", keep)
            return
        for kid in node.kids:
            if (
                kid.field == "declarator"
                or kid.type in _DECLARATORS
                or (kid.type == "identifier" and node.type in ("reference_declarator", "variadic_declarator"))
            ):
                extra = {"pointer_declarator": " *", "array_declarator": " []", "reference_declarator": " &"}
                self.declarator(kid, scope, role, kind + extra.get(node.type, ""), keep)
            elif kid.type == "parameter_list":
                inner = self.open(scope)
                for parameter in kid.kids:
                    self.parameter(parameter, inner)
            else:
                self.visit(kid, scope)

    def _declaration(self, node: Node, scope: Scope) -> None:
        kind = node.get("type")
        shown = " ".join(plain(kid) for kid in node.kids if kid.type in ("storage_class_specifier", "type_qualifier"))
        shown = (shown + " " + (plain(kind) if kind else "")).strip()
        for kid in node.kids:
            if kid.field == "declarator":
                self.declarator(kid, scope, "v", shown, keep=self._is_prototype(kid, scope))
            else:
                self.visit(kid, scope)

    def _is_prototype(self, node: Node, scope: Scope) -> bool:
        """Return whether a local declaration declares a function, rather than a variable made from local names."""
        while node.type in ("pointer_declarator", "reference_declarator"):
            inner = node.get("declarator")
            if inner is None:
                return False
            node = inner
        if node.type != "function_declarator" or node.get("declarator") is None:
            return False
        parameters = node.get("parameters")
        names = [leaf for each in parameters.kids for leaf in (each.kids or [each]) if leaf.named] if parameters else []
        declared = node.get("declarator")
        if declared is not None and declared.type == "parenthesized_declarator":
            return False
        return not names or not all(
            leaf.type == "type_identifier"
            and (scope.find(leaf.text) or leaf.text.endswith("_") or leaf.text[:2] == "m_")
            for leaf in names
        )

    def _for_range_loop(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        self.fields(node, scope, "right")
        kind = node.get("type")
        for kid in node.kids:
            if kid.field == "declarator":
                self.declarator(kid, inner, "v", plain(kind) if kind else "")
            elif kid.field != "right":
                self.visit(kid, inner)

    def _condition_clause(self, node: Node, scope: Scope) -> None:
        for kid in node.kids:
            if kid.type == "declaration":
                self._declaration(kid, scope)
            else:
                self.visit(kid, scope)

    def _catch_clause(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope)
        for kid in node.kids:
            if kid.type == "parameter_list":
                for parameter in kid.kids:
                    kind = parameter.get("type")
                    for part in parameter.kids:
                        if part.field == "declarator":
                            self.declarator(part, inner, "v", plain(kind) if kind else "")
                        else:
                            self.visit(part, inner)
            else:
                self.visit(kid, inner)

    def _lambda_expression(self, node: Node, scope: Scope) -> None:
        inner = self.open(scope, node)
        for kid in node.kids:
            if kid.type == "lambda_capture_specifier":
                for each in kid.kids:
                    name = each.get("left") if each.type == "lambda_capture_initializer" else None
                    if name is not None and name.type == "identifier":
                        self.fields(each, scope, "right")
                        inner.declare(name)
                    else:
                        self.visit(each, scope)
            elif kid.field == "declarator":
                self.signature(kid, inner)
            elif kid.field == "body":
                self.kids(kid, inner)
            else:
                self.visit(kid, inner)

    def _field_declaration_list(self, node: Node, scope: Scope) -> None:
        self.kids(node, Scope(scope))

    def _template_parameter_list(self, node: Node, scope: Scope) -> None:
        """Types and values of a template keep their names."""

    def _preproc_def(self, node: Node, scope: Scope) -> None:
        # What a macro says is text, and may name a local.
        self.frozen.add(id(scope.function))

    _preproc_function_def = _preproc_def

    def _qualified_identifier(self, node: Node, scope: Scope) -> None:
        """Visit what stands in brackets: a name of another scope is no local one."""
        for kid in node.kids:
            if kid.kids:
                self.visit(kid, scope)

    def _template_function(self, node: Node, scope: Scope) -> None:
        self.others(node, scope, "name")

    _template_type = _template_method = _template_function


def bind(root: Node) -> list[Node]:
    """Find what each name is bound to; return the outermost functions."""
    return _Binder(root).functions


_LAYOUT = Layout(
    lists=frozenset({"translation_unit", "compound_statement", "field_declaration_list", "declaration_list"}),
    cases=frozenset({"case_statement"}),
    raw=frozenset(),
    glued=frozenset(
        {
            "argument_list",
            "parameter_list",
            "subscript_expression",
            "subscript_argument_list",
            "array_declarator",
            "abstract_array_declarator",
            "function_declarator",
            "sizeof_expression",
            "decltype",
            "preproc_params",
            "preproc_defined",
        }
    ),
    unary=frozenset(
        {
            "unary_expression",
            "update_expression",
            "pointer_expression",
            "pointer_declarator",
            "reference_declarator",
            "abstract_pointer_declarator",
            "abstract_reference_declarator",
            "destructor_name",
            "parameter_pack_expansion",
            "variadic_declarator",
        }
    ),
    angles=frozenset({"template_argument_list", "template_parameter_list"}),
    tight=frozenset(
        {"field_expression", "qualified_identifier", "nested_namespace_specifier", "pointer_type_declarator"}
    ),
    closed=frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"}),
    directives=frozenset(
        {
            "preproc_if",
            "preproc_ifdef",
            "preproc_else",
            "preproc_elif",
            "preproc_elifdef",
            "preproc_def",
            "preproc_function_def",
            "preproc_call",
            "preproc_include",
        }
    ),
    spaced=frozenset({"conditional_expression", "for_range_loop", "field_initializer_list", "bitfield_clause"}),
)

_ATOMS = frozenset({"string_literal", "char_literal", "raw_string_literal", "system_lib_string", "preproc_arg"})
_NAMES = frozenset({"identifier", "type_identifier", "namespace_identifier"})
_BLOCK = ("void x() {\n", "\n}", "compound_statement")

C = Form(layout=_LAYOUT, atoms=_ATOMS, names=_NAMES, bind=bind, rewrite=rewrite_c, wrappings=(_BLOCK,))
CPP = Form(
    layout=_LAYOUT,
    atoms=_ATOMS,
    names=_NAMES,
    bind=bind,
    rewrite=rewrite_cpp,
    wrappings=(("class X {\n", "\n};", "field_declaration_list"), _BLOCK),
)
