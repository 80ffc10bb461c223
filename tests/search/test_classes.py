import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import QueryError
from search.classes import QueryClass, classify
from search.query import parse

SYMBOL = """
HTTPServer
parse_args
parseArgs
ParseArgs
_private
__init__
foo()
Foo#bar
Foo.bar
std::vector
std::vector<int>
List<String>
ECONNRESET
MAX_RETRIES
os.path.join
requests.get()
java.lang.NullPointerException
$this->render
@dataclass
useEffect
useEffect()
def parse_args
class HTTPServer
class Flask
func main()
fn read_to_string
struct sockaddr_in
empty?
save!
ActiveRecord::Base
System.out.println
getElementById
numpy.ndarray.reshape
parseArgs readConfig
k8s_client
Flask.run
"""

LANGUAGE = """
sort a list
how does requests handle redirects
useEffect cleanup
segmentation fault in free()
list comprehension with if else
numpy array reshape
timeout
retry
JSON
Python
difference between == and ===
what does -> mean in rust
how to use std::sort with a lambda
node.js
C++
c++ smart pointers
base64 encode
utf-8
read csv file in python
import csv file in python
class inheritance
function pointer
type casting
return multiple values from a function
for loop over two lists
if else in one line
while loop with a condition
from string to datetime
SyntaxError: invalid syntax
TypeError: 'NoneType' object is not subscriptable
connection refused when calling fetch()
where is the retry delay computed?
why does my goroutine leak
O(n log n) sorting algorithm
convert snake_case to camelCase
get the last element of an array
e.g. hello world
client/server
select all rows from a table where a column is null
the file(s) that define the parser
let me know which class parses the query
don't repeat yourself
sin(x) derivative
Write a function to find the median of a list.
Which function validates tokens?

"""

CODE = r"""
def foo(x): return x
for (int i = 0;
x = [i for i in range(10)]
public static void main(String[] args) {
if err != nil { return err }
const add = (a, b) => a + b;
print('hello world')
from os import path
import numpy as np
#include <stdio.h>
SELECT name FROM users WHERE id = 1
a == b
x += 1
arr[i]
foo(bar, baz)
map(lambda x: x*2, items)
{ "key": "value" }
<div class="x">hello</div>
fn main() { println!("hi"); }
let mut v = Vec::new();
func (s *Server) Start() error {
std::vector<int> v;
@app.route('/')
$x = array_map(fn($y) => $y * 2, $xs);
puts "hi" if x == 1
val xs = list.map { it * 2 }
while (true) { sleep(1); }
struct Point { int x; int y; };
return self.x + self.y
int *p = malloc(sizeof(int));
git commit -m "message"
try { run(); } catch (Exception e) {}
async function load() { await fetch(url); }
template <typename T> T max(T a, T b) { return a > b ? a : b; }
local t = { 1, 2, 3 }
f(x)
"""


def examples() -> list[tuple[str, QueryClass]]:
    groups = {QueryClass.SYMBOL: SYMBOL, QueryClass.LANGUAGE: LANGUAGE, QueryClass.CODE: CODE}
    return [(text, label) for label, group in groups.items() for text in group.splitlines() if text]


@pytest.mark.parametrize(("text", "label"), examples())
def test_labelled_queries_get_their_class(text: str, label: QueryClass) -> None:
    assert classify(parse(text)) is label


def test_there_are_enough_examples() -> None:
    assert len(examples()) >= 90


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("ValueError: Invalid fields for <UserSchema(many=False)>: {'pasword'}.", QueryClass.LANGUAGE),
        ("urllib3.exceptions.MaxRetryError: HTTPConnectionPool(host='a', port=80): refused", QueryClass.LANGUAGE),
        ("SyntaxError[ @/shop/cart.mjs ]: Unexpected token '}'", QueryClass.LANGUAGE),
        (
            'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f(x)[0] = {1: 2}',
            QueryClass.LANGUAGE,
        ),
        ("thread 'main' panicked at src/main.rs:12: called `Result::unwrap()`: {x}", QueryClass.LANGUAGE),
        ("except ValueError: return {}", QueryClass.CODE),
        ("raise ValueError('no ' + name) from error", QueryClass.CODE),
        ("class ParseError(Exception): pass", QueryClass.CODE),
    ],
)
def test_a_reported_failure_is_language_whatever_it_quotes(text: str, label: QueryClass) -> None:
    assert classify(parse(text)) is label


def test_several_lines_are_code_or_prose_by_what_they_say() -> None:
    assert classify(parse("def add(a, b):\n    return a + b")) is QueryClass.CODE
    assert classify(parse("My server drops connections.\nHow do I keep them open?")) is QueryClass.LANGUAGE


def test_fields_and_exclusions_do_not_count() -> None:
    assert classify(parse("lang:go path:src/** parse_args -mock")) is QueryClass.SYMBOL
    assert classify(parse("sort a list lang:go,rust -/x+y;/")) is QueryClass.LANGUAGE


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("sym:run", QueryClass.SYMBOL),
        ("-sym:run", QueryClass.LANGUAGE),
        ("/x+y/", QueryClass.CODE),
        ("kind:class", QueryClass.LANGUAGE),
    ],
)
def test_queries_without_text_have_a_class(text: str, label: QueryClass) -> None:
    assert classify(parse(text)) is label


def test_a_single_word_is_a_symbol_if_the_index_says_so() -> None:
    def names(word: str) -> bool:
        return word == "retry"

    assert classify(parse("retry"), names) is QueryClass.SYMBOL
    assert classify(parse("timeout"), names) is QueryClass.LANGUAGE
    assert classify(parse("retry later"), names) is QueryClass.LANGUAGE


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("aB_.:(){}=;<> \n\"'-/", min_size=1))
def test_any_query_has_one_class_always_the_same(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    assert classify(query) in QueryClass
    assert classify(query) is classify(parse(text))
