"""Units of languages that are mostly run as they are, and of Go and Java."""

import pytest

from indexer.languages import by_name
from indexer.splitting.units import split_units
from indexer.types import Kind

# Every list is what the rules say of the sample above it: kind, symbol, first line, last line.
SAMPLES: dict[str, tuple[str, list[tuple[str, str, int, int]]]] = {
    "python": (
        '''\
"""Mod."""
import os


# Why f.
@dec(
    1,
)
def f(a: int,
      b=2) -> int:
    """Do f.

    More.
    """
    def inner():
        pass
    return inner

class A(B):
    """Doc A."""
    x = 1

    @property
    def p(self): return 1

    y = 2
    class N:
        async def g(self): ...
if x:
    def h(): pass
Z = 1


def broken(a):
    x = = 2

def after():
    pass
''',
        [
            ("module", "", 1, 4),
            ("function", "f", 5, 18),
            ("class", "A", 19, 22),
            ("method", "A.p", 23, 25),
            ("class", "A", 26, 26),
            ("class", "A.N", 27, 27),
            ("method", "A.N.g", 28, 28),
            ("module", "", 29, 29),
            ("function", "h", 30, 30),
            ("module", "", 31, 33),
            ("function", "broken", 34, 36),
            ("function", "after", 37, 38),
        ],
    ),
    "javascript": (
        """\
/** Doc. */
export default class A extends B {
  #p = 1;
  static f = (x) => {
    return x;
  };
  constructor() { super(); }
  get q() { return 1; }
}
// about g
export const g = async (x) => x;
const h = function () {};
module.exports.k = function () {};
A.prototype.z = () => {};
function* top(a) {
  function inner() {}
}
const o = { a() {}, b: () => 1 };
export default function () {}
var C2 = class {
 x() {}
}
function bad() { let = ; }
function after() {}
""",
        [
            ("class", "A", 1, 3),
            ("method", "A.f", 4, 6),
            ("method", "A.constructor", 7, 7),
            ("method", "A.q", 8, 9),
            ("function", "g", 10, 11),
            ("function", "h", 12, 12),
            ("function", "k", 13, 13),
            ("method", "A.z", 14, 14),
            ("function", "top", 15, 17),
            ("module", "", 18, 18),
            ("function", "default", 19, 19),
            ("class", "C2", 20, 20),
            ("method", "C2.x", 21, 22),
            ("function", "bad", 23, 23),
            ("function", "after", 24, 24),
        ],
    ),
    "typescript": (
        """\
@Dec()
export abstract class A<T> implements B {
  private x: number = 1;
  @In()
  foo(a: string): void {}
  abstract bar(): void;
  h = (e: E) => { };
}
export interface I {
  m(): void;
  p: string;
}
type T = { a: string };
enum E { A }
namespace N {
  export function f() {}
}
export const g = <T,>(x: T): T => x;
function over(a: string): void;
function over(a: any) { }
const V = () => <div>hi</div>;
""",
        [
            ("class", "A", 1, 3),
            ("method", "A.foo", 4, 5),
            ("method", "A.bar", 6, 6),
            ("method", "A.h", 7, 8),
            ("class", "I", 9, 9),
            ("method", "I.m", 10, 10),
            ("class", "I", 11, 12),
            ("class", "T", 13, 13),
            ("class", "E", 14, 14),
            ("class", "N", 15, 15),
            ("method", "N.f", 16, 17),
            ("function", "g", 18, 18),
            ("function", "over", 19, 19),
            ("function", "over", 20, 20),
            ("function", "V", 21, 21),
        ],
    ),
    "go": (
        """\
package a

// F does.
// More.
func F[T any](x T) (int, error) {
	return 1
}

func (s *Server[T]) Serve() {}
func (Server) X() {}

type S struct {
	a int
}
type (
	I interface {
		M()
	}
	A = B
)
var f = func() {}
func broken() { x := }
func after() {}
""",
        [
            ("module", "", 1, 2),
            ("function", "F", 3, 8),
            ("method", "Server.Serve", 9, 9),
            ("method", "Server.X", 10, 11),
            ("class", "S", 12, 14),
            ("module", "", 15, 15),
            ("class", "I", 16, 18),
            ("module", "", 19, 20),
            ("function", "f", 21, 21),
            ("function", "broken", 22, 22),
            ("function", "after", 23, 23),
        ],
    ),
    "java": (
        """\
package a;

/**
 * Doc of C.
 * @param T x
 */
@A
public class C<T> extends D {
  int x;

  /** Gets. */
  @Override
  public <U> int f(int a) {
    return 1;
  }
  C() {}
  class N {
    void g() {}
  }
}
interface I {
  void m();
}
enum E {
  A;
  void q() {}
}
record R(int a) { R { } }
class Bad { void f() { int = ; }
  void after() {}
}
""",
        [
            ("module", "", 1, 2),
            ("class", "C", 3, 10),
            ("method", "C.f", 11, 15),
            ("method", "C.C", 16, 16),
            ("class", "C.N", 17, 17),
            ("method", "C.N.g", 18, 20),
            ("class", "I", 21, 21),
            ("method", "I.m", 22, 23),
            ("class", "E", 24, 25),
            ("method", "E.q", 26, 27),
            ("class", "R", 28, 28),
            ("class", "Bad", 29, 29),
            ("method", "Bad.after", 30, 31),
        ],
    ),
    "php": (
        """\
<?php
namespace A\\B;
/** Doc. */
#[Attr]
abstract class C extends D {
  use T;
  public function f(int $a): int { return 1; }
  abstract function g();
}
interface I {
  function x();
}
trait T { }
enum E: string { case A = "a"; }
function z() {}
$f = function() { };
$g = fn($x) => $x;
function bad() { $x = ; }
function after() {}
""",
        [
            ("module", "", 1, 2),
            ("class", "C", 3, 6),
            ("method", "C.f", 7, 7),
            ("method", "C.g", 8, 9),
            ("class", "I", 10, 10),
            ("method", "I.x", 11, 12),
            ("class", "T", 13, 13),
            ("class", "E", 14, 14),
            ("function", "z", 15, 15),
            ("function", "f", 16, 16),
            ("function", "g", 17, 17),
            ("function", "bad", 18, 18),
            ("function", "after", 19, 19),
        ],
    ),
    "ruby": (
        """\
module A
  # Doc B
  class B < C
    attr :x
    def f(x) = x
    def self.g
      1
    end
    class << self
      def h; end
    end
  end
end
def top(a)
  a
end
def bad
  x = )
end
def after; end
""",
        [
            ("class", "A", 1, 1),
            ("class", "A.B", 2, 4),
            ("method", "A.B.f", 5, 5),
            ("method", "A.B.g", 6, 8),
            ("class", "A.B", 9, 9),
            ("method", "A.B.h", 10, 13),
            ("function", "top", 14, 16),
            ("function", "bad", 17, 19),
            ("function", "after", 20, 20),
        ],
    ),
    "bash": (
        """\
#!/bin/sh
# Doc f.
f() {
  echo 1
}
function g { :; }
f; g
""",
        [
            ("module", "", 1, 1),
            ("function", "f", 2, 5),
            ("function", "g", 6, 6),
            ("module", "", 7, 7),
        ],
    ),
    "elixir": (
        '''\
defmodule A.B do
  @moduledoc """
  Mod.
  """
  use X

  @doc """
  Hi.
  """
  @spec f(integer) :: integer
  def f(x) when x > 1 do
    x
  end

  # why g
  defp g, do: 1
  def h(x), do: x
end
''',
        [
            ("class", "A.B", 1, 6),
            ("method", "A.B.f", 7, 14),
            ("method", "A.B.g", 15, 16),
            ("method", "A.B.h", 17, 18),
        ],
    ),
    "lua": (
        """\
-- Doc f.
local function f(a)
  return 1
end
function M.g(x) end
function M:h() end
local k = function() end
M.z = function() end
function bad() local = end
function after() end
""",
        [
            ("function", "f", 1, 4),
            ("function", "M.g", 5, 5),
            ("method", "M.h", 6, 6),
            ("function", "k", 7, 7),
            ("function", "M.z", 8, 8),
            ("function", "bad", 9, 9),
            ("function", "after", 10, 10),
        ],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_units(name: str) -> None:
    text, expected = SAMPLES[name]
    split = split_units(text, by_name(name))
    assert split.parsed
    assert [(unit.kind, unit.symbol, unit.start_line, unit.end_line) for unit in split.units] == [
        (Kind(kind), symbol, start, end) for kind, symbol, start, end in expected
    ]


@pytest.mark.parametrize(
    ("name", "symbol", "signature", "docstring"),
    [
        ("python", "f", "def f(a: int, b=2) -> int", "Do f.\n\nMore."),
        ("python", "A", "class A(B)", "Doc A."),
        ("javascript", "A", "export default class A extends B", "Doc."),
        ("javascript", "g", "export const g = async (x) =>", "about g"),
        ("typescript", "A.foo", "foo(a: string): void", ""),
        ("typescript", "g", "export const g = <T,>(x: T): T =>", ""),
        ("go", "F", "func F[T any](x T) (int, error)", "F does.\nMore."),
        ("go", "Server.Serve", "func (s *Server[T]) Serve()", ""),
        ("java", "C", "@A public class C<T> extends D", "Doc of C.\n@param T x"),
        ("java", "C.f", "@Override public <U> int f(int a)", "Gets."),
        ("php", "C", "abstract class C extends D", "Doc."),
        ("ruby", "A.B", "class B < C", "Doc B"),
        ("bash", "f", "f()", "Doc f."),
        ("elixir", "A.B", "defmodule A.B", "Mod."),
        ("elixir", "A.B.f", "def f(x) when x > 1", "Hi."),
        ("elixir", "A.B.g", "defp g, do: 1", "why g"),
        ("lua", "f", "local function f(a)", "Doc f."),
        ("lua", "M.h", "function M:h()", ""),
    ],
)
def test_signatures_and_docstrings(name: str, symbol: str, signature: str, docstring: str) -> None:
    unit = next(unit for unit in split_units(SAMPLES[name][0], by_name(name)).units if unit.symbol == symbol)
    assert (unit.signature, unit.docstring) == (signature, docstring)
