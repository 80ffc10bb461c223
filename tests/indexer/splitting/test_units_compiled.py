"""Units of languages that are mostly compiled, and of SQL."""

import pytest

from indexer.languages import by_name
from indexer.splitting.units import split_units
from indexer.types import Kind

# Every list is what the rules say of the sample above it: kind, symbol, first line, last line.
SAMPLES: dict[str, tuple[str, list[tuple[str, str, int, int]]]] = {
    "rust": (
        """\
//! Crate.

/// Doc S.
#[derive(
  A)]
pub struct S<T> { x: T }

impl<T> Foo for S<T> {
  const A: u8 = 1;
  /// Fast.
  #[inline]
  fn f(&self) -> u8 {
    1
  }
}
mod m {
  fn g() {}
}
trait T {
  fn a();
  fn b() {}
}
enum E { A }
macro_rules! mm { () => {} }
fn bad() { let = ; }
fn after() {}
""",
        [
            ("module", "", 1, 2),
            ("class", "S", 3, 7),
            ("class", "S", 8, 9),
            ("method", "S.f", 10, 15),
            ("class", "m", 16, 16),
            ("method", "m.g", 17, 18),
            ("class", "T", 19, 19),
            ("method", "T.a", 20, 20),
            ("method", "T.b", 21, 22),
            ("class", "E", 23, 23),
            ("function", "mm", 24, 24),
            ("function", "bad", 25, 25),
            ("function", "after", 26, 26),
        ],
    ),
    "c": (
        """\
#include <a.h>
/* Doc
 * more */
static int *f(int a)
{
  return 0;
}
typedef struct foo {
  int a;
} foo_t;
struct bar { int b; };
int proto(int);
enum e { A };
#ifdef X
int g(void) { }
#endif
int (*fp(int a))(int) { }
int bad(void) { int = ; }
int after(void) { return 1; }
""",
        [
            ("module", "", 1, 1),
            ("function", "f", 2, 7),
            ("class", "foo_t", 8, 10),
            ("class", "bar", 11, 11),
            ("module", "", 12, 12),
            ("class", "e", 13, 13),
            ("module", "", 14, 14),
            ("function", "g", 15, 16),
            ("function", "fp", 17, 17),
            ("function", "bad", 18, 18),
            ("function", "after", 19, 19),
        ],
    ),
    "c++": (
        """\
namespace n::m {
/// Doc.
template <class T> class A : B {
 public:
  int f() const { return 1; }
  A();
};
template <class T>
int A<T>::g(int x) { return 1; }
int *h() { return 0; }
void n::A::k() {}
}
struct S { int x; };
enum class E { a };
A& A::operator=(const A&) { }
A::~A() {}
bool operator<(A a, B b) { return 1; }
""",
        [
            ("class", "n.m", 1, 1),
            ("class", "n.m.A", 2, 4),
            ("method", "n.m.A.f", 5, 5),
            ("class", "n.m.A", 6, 7),
            ("method", "n.m.A.g", 8, 9),
            ("method", "n.m.h", 10, 10),
            ("method", "n.m.n.A.k", 11, 12),
            ("class", "S", 13, 13),
            ("class", "E", 14, 14),
            ("method", "A.operator=", 15, 15),
            ("method", "A.~A", 16, 16),
            ("function", "operator<", 17, 17),
        ],
    ),
    "c#": (
        """\
namespace A.B {
  /// <summary>x</summary>
  [X]
  public class C<T> : D {
    public int P { get; set; }
    public C() {}
    /// <summary>F does</summary>
    public int F(int a) => a;
    ~C() {}
    public static C operator +(C a, C b) { return a; }
    int this[int i] { get { return 1; } }
  }
  record R(int a);
  interface I {
    void M();
  }
  enum E { A }
  class Bad {
    void F() { int = ; }
    void After() {}
  }
}
""",
        [
            ("class", "A.B", 1, 1),
            ("class", "A.B.C", 2, 5),
            ("method", "A.B.C.C", 6, 6),
            ("method", "A.B.C.F", 7, 8),
            ("method", "A.B.C.~C", 9, 9),
            ("method", "A.B.C.operator", 10, 10),
            ("method", "A.B.C.this", 11, 12),
            ("class", "A.B.R", 13, 13),
            ("class", "A.B.I", 14, 14),
            ("method", "A.B.I.M", 15, 16),
            ("class", "A.B.E", 17, 17),
            ("class", "A.B.Bad", 18, 18),
            ("method", "A.B.Bad.F", 19, 19),
            ("method", "A.B.Bad.After", 20, 22),
        ],
    ),
    "kotlin": (
        """\
package a
/** Doc. */
@A
class A<T>(val x: Int) : B() {
  fun f(a: Int): Int = a
  companion object {
    fun g() {}
  }
  constructor(a: Int) { }
}
fun <T> Foo.ext(x: T): Int {
  return 1
}
object O { }
interface I {
  fun z()
}
fun bad() { val = }
fun after() {}
""",
        [
            ("module", "", 1, 1),
            ("class", "A", 2, 4),
            ("method", "A.f", 5, 5),
            ("class", "A", 6, 6),
            ("method", "A.g", 7, 8),
            ("method", "A.constructor", 9, 10),
            ("function", "ext", 11, 13),
            ("class", "O", 14, 14),
            ("class", "I", 15, 15),
            ("method", "I.z", 16, 17),
            ("module", "", 18, 19),
        ],
    ),
    "scala": (
        """\
package a.b
/** Doc. */
object O {
  def f(x: Int): Int = x
  case class P(a: Int)
}
trait T[A] {
  def g: A
}
enum E { case A }
extension (s: String) def y = 1
def top() =
  1
""",
        [
            ("module", "", 1, 1),
            ("class", "O", 2, 3),
            ("method", "O.f", 4, 4),
            ("class", "O.P", 5, 6),
            ("class", "T", 7, 7),
            ("method", "T.g", 8, 9),
            ("class", "E", 10, 10),
            ("function", "y", 11, 11),
            ("function", "top", 12, 13),
        ],
    ),
    "swift": (
        """\
import X
/// Doc A.
@objc
public class A<T>: B {
  init(x: Int) {}
  deinit {}
  func f(a: Int) -> Int {
    return a
  }
  var p: Int { return 1 }
}
extension A {
  func q() {}
}
protocol P {
  func z()
}
func bad() { let = }
func after() {}
""",
        [
            ("module", "", 1, 1),
            ("class", "A", 2, 4),
            ("method", "A.init", 5, 5),
            ("method", "A.deinit", 6, 6),
            ("method", "A.f", 7, 9),
            ("class", "A", 10, 11),
            ("class", "A", 12, 12),
            ("method", "A.q", 13, 14),
            ("class", "P", 15, 15),
            ("method", "P.z", 16, 17),
            ("function", "bad", 18, 18),
            ("function", "after", 19, 19),
        ],
    ),
    "haskell": (
        """\
module M where

-- | Doc f.
f :: Int -> Int
f 0 = 1
f x = x

data T = A | B
class C a where
  m :: a -> a
  m = id
instance C Int where
  m x = x
x <+> y = x
""",
        [
            ("module", "", 1, 2),
            ("function", "f", 3, 7),
            ("class", "T", 8, 8),
            ("class", "C", 9, 9),
            ("method", "C.m", 10, 11),
            ("class", "C", 12, 12),
            ("method", "C.m", 13, 13),
            ("function", "<+>", 14, 14),
        ],
    ),
    "zig": (
        """\
const std = @import("std");
/// Doc f.
pub fn f(a: u8) u8 {
  return a;
}
const P = struct {
  x: i32,
  pub fn init() P { return .{}; }
};
pub const E = enum { a, b };
test "x" { _ = 1; }
""",
        [
            ("module", "", 1, 1),
            ("function", "f", 2, 5),
            ("class", "P", 6, 7),
            ("method", "P.init", 8, 9),
            ("class", "E", 10, 10),
            ("function", "x", 11, 11),
        ],
    ),
    "sql": (
        """\
CREATE TABLE a.b (
  id int
);

-- Doc f.
CREATE OR REPLACE FUNCTION f(a int) RETURNS int AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql;
CREATE VIEW v AS SELECT 1;
CREATE PROCEDURE p() LANGUAGE SQL AS $$ select 1 $$;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
SELECT 1;
""",
        [
            ("class", "a.b", 1, 4),
            ("function", "f", 5, 10),
            ("class", "v", 11, 11),
            ("function", "p", 12, 12),
            ("function", "tr", 13, 13),
            ("module", "", 14, 14),
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
        ("rust", "S", "pub struct S<T>", "Doc S."),
        ("rust", "S.f", "fn f(&self) -> u8", "Fast."),
        ("c", "f", "static int *f(int a)", "Doc\nmore"),
        ("c++", "n.m.A", "template <class T> class A : B", "Doc."),
        ("c++", "A.operator=", "A& A::operator=(const A&)", ""),
        ("c#", "A.B.C", "[X] public class C<T> : D", "<summary>x</summary>"),
        ("c#", "A.B.C.F", "public int F(int a)", "<summary>F does</summary>"),
        ("kotlin", "A", "@A class A<T>(val x: Int) : B()", "Doc."),
        ("kotlin", "ext", "fun <T> Foo.ext(x: T): Int", ""),
        ("scala", "O", "object O", "Doc."),
        ("swift", "A", "@objc public class A<T>: B", "Doc A."),
        ("haskell", "f", "f :: Int -> Int", "Doc f."),
        ("zig", "f", "pub fn f(a: u8) u8", "Doc f."),
        ("zig", "P", "const P", ""),
        ("sql", "f", "CREATE OR REPLACE FUNCTION f(a int) RETURNS int", "Doc f."),
    ],
)
def test_signatures_and_docstrings(name: str, symbol: str, signature: str, docstring: str) -> None:
    unit = next(unit for unit in split_units(SAMPLES[name][0], by_name(name)).units if unit.symbol == symbol)
    assert (unit.signature, unit.docstring) == (signature, docstring)


def test_haskell_local_bindings_stay_in_their_equations() -> None:
    text = "f :: Int -> Int\nf 0 = 1\n\nf x = go x\n  where\n    go y = y\n\nh = 1\n"
    units = split_units(text, by_name("haskell")).units
    assert [(unit.symbol, unit.start_line, unit.end_line) for unit in units] == [("f", 1, 7), ("h", 8, 8)]
