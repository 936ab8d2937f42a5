use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn schema(source: &str) -> Value {
    json_schema(source, None).unwrap_or_else(|error| panic!("{error}")).into()
}

#[track_caller]
fn refused(source: &str, reason: &str) -> SchemaError {
    let error = json_schema(source, None).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    error
}

fn with_parameter(declaration: &str) -> String {
    format!("{MODELS}def f({declaration}):\n    \"\"\"Do.\n\n    Args:\n        x: It.\n    \"\"\"\n")
}

const MODELS: &str = "from pydantic import BaseModel, Field
class Home(BaseModel):
    street: str = Field(..., description='Where')
class Person(Home):
    '''Not used.'''
    name: str = Field(description='Who')
    homes: list[Home] = Field([], description='All')
    age: Optional[int] = Field(..., description='Years')
    tags: List[str] = Field(default_factory=list, description='Words')
    kind: Literal['a'] = Field(default='a', description='Which')
    limit: ClassVar[int] = 5
";

fn home() -> Value {
    let street = json!({ "type": "string", "description": "Where" });
    json!({ "type": "object", "properties": { "street": street }, "required": ["street"] })
}

/// The schema of a parameter of this type without its description, and whether it can be left out.
#[track_caller]
fn of_annotation(annotation: &str) -> (Value, bool) {
    let made = schema(&with_parameter(&format!("x: {annotation}")));
    let mut property = made["parameters"]["properties"]["x"].as_object().unwrap().clone();
    assert_eq!(property.shift_remove("description"), Some("It.".into()));
    (property.into(), made["parameters"]["required"] == json!([]))
}

#[test]
fn every_annotation_has_its_schema() {
    let array = |items: Value| json!({ "type": "array", "items": items });
    for (annotation, expected, optional) in [
        ("str", json!({ "type": "string" }), false),
        ("int", json!({ "type": "integer" }), false),
        ("float", json!({ "type": "number" }), false),
        ("bool", json!({ "type": "boolean" }), false),
        ("list", array(json!({ "type": "string" })), false),
        ("List", array(json!({ "type": "string" })), false),
        ("list[int]", array(json!({ "type": "integer" })), false),
        ("List[list[dict]]", array(array(json!({ "type": "object" }))), false),
        ("dict", json!({ "type": "object" }), false),
        ("Dict", json!({ "type": "object" }), false),
        ("dict[str, Any]", json!({ "type": "object" }), false),
        ("Dict[str, int]", json!({ "type": "object", "additionalProperties": { "type": "integer" } }), false),
        ("Optional[dict]", json!({ "type": "object" }), true),
        ("Optional[List[str]]", array(json!({ "type": "string" })), true),
        ("typing.Optional[typing.List[str]]", array(json!({ "type": "string" })), true),
        ("str | None", json!({ "type": "string" }), true),
        ("None | 'str'", json!({ "type": "string" }), true),
        ("Union[int, None]", json!({ "type": "integer" }), true),
        ("Union[int, str]", json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), false),
        ("int | str | None", json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), true),
        ("Union[Optional[int], int]", json!({ "type": "integer" }), true),
        ("'List[\"int\"]'", array(json!({ "type": "integer" })), false),
        ("Any", json!({}), false),
        ("Literal['a', \"b\"]", json!({ "type": "string", "enum": ["a", "b"] }), false),
        ("Literal[1, -2]", json!({ "type": "integer", "enum": [1, -2] }), false),
        ("Literal[True]", json!({ "type": "boolean", "enum": [true] }), false),
        ("Literal['a', 1, None]", json!({ "type": ["string", "integer"], "enum": ["a", 1] }), true),
        ("tuple[int, ...]", array(json!({ "type": "integer" })), false),
        (
            "Tuple[int, str]",
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "string" }], "minItems": 2, "maxItems": 2 }),
            false,
        ),
        ("Annotated[int, 'years']", json!({ "type": "integer" }), false),
        ("Home", home(), false),
        ("List[Home]", array(home()), false),
        ("Optional[Home]", home(), true),
    ] {
        assert_eq!(of_annotation(annotation), (expected, optional), "{annotation}");
    }
}

#[test]
fn what_has_no_schema_is_refused_with_its_name_and_line() {
    for (annotation, reason) in [
        ("bytes", "has the type 'bytes', which has no JSON schema"),
        ("datetime", "'datetime'"),
        ("datetime.datetime", "'datetime.datetime'"),
        ("None", "'None'"),
        ("Tuple", "tuple[str, int]"),
        ("set[int]", "'set[int]'"),
        ("Set", "Use a list"),
        ("Dict[int, str]", "dict[str, …]"),
        ("Nothing", "'Nothing'"),
        ("Callable[[int], str]", "Callable"),
        ("Literal[1.5]", "whole numbers"),
        ("Literal[None]", "no values"),
        ("5", "'5'"),
        ("f'str'", "f'str'"),
        ("'List['", "cannot be read"),
        ("''", "'()'"),
        ("Optional", "Optional[…]"),
    ] {
        let error = refused(&with_parameter(&format!("x: {annotation}")), reason);
        assert!(
            error.to_string().starts_with("Value error in schema generation: Parameter 'x' in function 'f'"),
            "{error}"
        );
        assert_eq!(error.line(), Some(12), "{error}");
    }
}

#[test]
fn models_are_written_out_with_what_they_inherit() {
    let expected = json!({
        "type": "object",
        "properties": {
            "street": { "type": "string", "description": "Where" },
            "name": { "type": "string", "description": "Who" },
            "homes": { "type": "array", "items": home(), "description": "All" },
            "age": { "type": "integer", "description": "Years" },
            "tags": { "type": "array", "items": { "type": "string" }, "description": "Words" },
            "kind": { "type": "string", "enum": ["a"], "description": "Which" },
        },
        "required": ["street", "name", "age"],
    });
    assert_eq!(of_annotation("Person"), (expected, false));
}

#[test]
fn models_that_cannot_be_written_out_are_refused() {
    let with = |class: &str| {
        format!("from pydantic import BaseModel, Field\n{class}\n{}", with_parameter("x: M").replace(MODELS, ""))
    };
    refused(&with("class M(BaseModel):\n    a: int"), "Field 'a' of model 'M' lacks a description (line 3)");
    refused(
        &with("class M(BaseModel):\n    a: bytes = Field(description='x')"),
        "Field 'a' of model 'M' has the type 'bytes'",
    );
    refused(&with("class M(BaseModel):\n    a: 'M' = Field(description='x')"), "'M' within itself");
    refused(&with("class M:\n    a: int"), "has the type 'M'");
    let without = with("class M(BaseModel):\n    a: int").replace("from pydantic import BaseModel, Field\n", "");
    refused(&without, "has the type 'M'");
}

#[test]
fn models_that_multiply_are_cut_short() {
    let mut source =
        "from pydantic import BaseModel, Field\nclass M0(BaseModel):\n    a: int = Field(description='x')\n".to_owned();
    for n in 1..30 {
        source += &format!(
            "class M{n}(BaseModel):\n    a: M{0} = Field(description='x')\n    b: M{0} = Field(description='x')\n",
            n - 1
        );
    }
    refused(&(source + &with_parameter("x: M29").replace(MODELS, "")), "too large");
    refused(&with_parameter(&format!("x: {}int{}", "list[".repeat(40), "]".repeat(40))), "too large");
    refused(&with_parameter(&format!("x: {}int{}", "(".repeat(90_000), ")".repeat(90_000))), "too large");
}

#[test]
fn the_last_function_of_the_module_is_the_tool() {
    let f = |name: &str| format!("def {name}():\n    'Do {name}.'\n");
    assert_eq!(schema(&(f("helper") + &f("main")))["name"], "main");
    let with_inner =
        "def main():\n    'Do.'\n    def inner():\n        'No.'\nclass C:\n    def method(self):\n        'No.'\n";
    assert_eq!(schema(with_inner)["name"], "main");
    assert_eq!(schema("@decorated(1)\nasync def run():\n    'Do.'\n")["name"], "run");
    assert_eq!(
        schema("try:\n    import x\nexcept ImportError:\n    pass\nif True:\n    def run():\n        'Do.'\n")["name"],
        "run"
    );
    let two = f("one") + &f("two");
    assert_eq!(json_schema(&two, Some("one")).unwrap()["description"], "Do one.");
    assert!(json_schema(&two, Some("three")).unwrap_err().to_string().contains("'three'"));
}

#[test]
fn a_whole_example() {
    let source = r#"
from typing import *

def report(self, number: int, title: str, tags: List[str], data: dict, share: float, agent_state: "AgentState",
           extra: Optional[dict] = None, *args, note: str = "", mode: Literal["a"] = pick(), client: Any, **kwargs) -> str:
    """Report.
    Then more.

    Args:
        number (int): N
        title: T
        tags: All
            of them
        data: D
        share: S
        extra: E. Defaults to None.
        note: No
        mode: M

    Returns:
        str: text
    """
    return ""
"#;
    let expected = json!({
        "name": "report",
        "description": "Report.\n\nThen more.",
        "parameters": {
            "type": "object",
            "properties": {
                "number": { "type": "integer", "description": "N" },
                "title": { "type": "string", "description": "T" },
                "tags": { "type": "array", "items": { "type": "string" }, "description": "All\nof them" },
                "data": { "type": "object", "description": "D" },
                "share": { "type": "number", "description": "S" },
                "extra": { "type": "object", "description": "E. Defaults to None." },
                "note": { "type": "string", "description": "No" },
                "mode": { "type": "string", "enum": ["a"], "description": "M" },
            },
            "required": ["number", "title", "tags", "data", "share", "mode"],
        },
    });
    assert_eq!(schema(source), expected);
}

#[test]
fn failures_say_what_is_missing_and_where() {
    assert_eq!(refused("def f(:\n    pass", "Failed to parse source code: ").line(), Some(1));
    assert_eq!(refused("x = 1\n\ndef f()\n    pass\n", "Failed to parse source code: ").line(), Some(3));
    refused("", "No functions found in source code");
    refused("class C:\n    def m(self):\n        'x'\n", "No functions found in source code");
    assert_eq!(refused("\ndef f():\n    pass\n", "Function f missing docstring").line(), Some(2));
    refused("def f():\n    '  '\n", "Function f missing docstring");
    refused("def f():\n    f'{x}'\n", "Function f missing docstring");
    let lacks_type =
        refused("def f(\n    a,\n):\n    'Do.'\n", "Parameter 'a' in function 'f' lacks a type annotation");
    assert_eq!(lacks_type.line(), Some(2));
    refused("def f(a: int):\n    'Do.'\n", "Parameter 'a' in function 'f' lacks a description in the docstring");
}

#[test]
fn texts_are_read_as_python_reads_them() {
    for (literal, value) in [
        (r#""a" 'b'"#, "ab"),
        (
            r#""\x41\u00e4\n\'\q\101\
x""#,
            "Aä\n'\\qA\nx".replacen("A\nx", "Ax", 1).as_str(),
        ),
        (r#"r"\n""#, "\\n"),
        (r#"("x")"#, "x"),
        (r#"u"ä""#, "ä"),
    ] {
        let made = introduction(&format!("def f():\n    {literal}\n"), None).unwrap();
        assert_eq!(made, ("f".to_owned(), value.to_owned()), "{literal}");
    }
}

#[test]
fn an_introduction_is_the_whole_docstring() {
    let source = "def f(a):\n    \"\"\"Do.\n\n    Args:\n        a: x\n    \"\"\"\n";
    assert_eq!(introduction(source, None).unwrap(), ("f".to_owned(), "Do.\n\nArgs:\n    a: x".to_owned()));
    assert_eq!(introduction(source, Some("renamed")).unwrap().0, "renamed");
    assert_eq!(introduction("def f(): pass", None).unwrap().1, "The f tool");
}

#[test]
fn what_the_module_binds_is_known() {
    let source = "import a.b as c\nfrom x import d, e as g\nh = make()\nif True:\n    def i(): pass\n@j\nclass K:\n    def m(self): pass\n";
    for name in ["c", "d", "g", "h", "i", "K"] {
        assert!(defines(source, name).unwrap(), "{name}");
    }
    for name in ["a", "e", "j", "m", "x"] {
        assert!(!defines(source, name).unwrap(), "{name}");
    }
}

#[test]
fn source_that_is_too_large_is_refused() {
    refused(&"x = 1\n".repeat(200_000), "bytes");
}

/// An annotation and what it means: its text, its schema, and whether a value can be missing.
type Known = (String, Value, bool);

fn annotations() -> impl Strategy<Value = Known> {
    let leaf = prop::sample::select(vec![
        ("str", json!({ "type": "string" })),
        ("int", json!({ "type": "integer" })),
        ("float", json!({ "type": "number" })),
        ("bool", json!({ "type": "boolean" })),
        ("dict", json!({ "type": "object" })),
        ("Dict", json!({ "type": "object" })),
        ("list", json!({ "type": "array", "items": { "type": "string" } })),
        ("Literal[\"x\", 'y']", json!({ "type": "string", "enum": ["x", "y"] })),
        ("Home", home()),
    ]);
    let leaf = leaf.prop_map(|(text, schema)| (text.to_owned(), schema, false));
    leaf.prop_recursive(4, 12, 2, |inner| {
        let array = |name: &'static str| {
            move |(text, schema, _): Known| {
                (format!("{name}[{text}]"), json!({ "type": "array", "items": schema }), false)
            }
        };
        prop_oneof![
            inner.clone().prop_map(array("list")),
            inner.clone().prop_map(array("List")),
            inner.clone().prop_map(array("typing.List")),
            inner.clone().prop_map(|(text, schema, _)| (format!("Optional[{text}]"), schema, true)),
            inner.clone().prop_map(|(text, schema, _)| (format!("{text} | None"), schema, true)),
            inner.clone().prop_map(|(text, schema, _)| (format!("Union[None, {text}]"), schema, true)),
            inner.clone().prop_map(|(text, schema, optional)| (format!("({text}\n    )"), schema, optional)),
            inner.prop_map(|(text, schema, _)| {
                (format!("dict[str, {text}]"), json!({ "type": "object", "additionalProperties": schema }), false)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_signature_of_known_annotations_gives_the_expected_schema(
        parameters in prop::collection::vec((annotations(), any::<bool>()), 0..6),
        is_async in any::<bool>(),
    ) {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut signature = Vec::new();
        let mut entries = String::new();
        for (n, ((text, schema, optional), has_default)) in parameters.into_iter().enumerate() {
            let name = format!("p{n}");
            signature.push(format!("{name}: {text}{}", if has_default { " = None" } else { "" }));
            if n == 0 {
                entries += "    Args:\n";
            }
            entries += &format!("        {name}: About {name}.\n");
            let mut schema = schema.as_object().unwrap().clone();
            schema.insert("description".to_owned(), format!("About {name}.").into());
            properties.insert(name.clone(), schema.into());
            if !optional && !has_default {
                required.push(name);
            }
        }
        let keyword = if is_async { "async def" } else { "def" };
        let source = format!("{MODELS}{keyword} f({}):\n    \"\"\"Do.\n\n{entries}    \"\"\"\n", signature.join(",\n    "));
        let expected = function("f", "Do.", object(properties, required));
        prop_assert_eq!(Value::from(json_schema(&source, None).unwrap()), Value::from(expected));
    }

    #[test]
    fn any_text_is_read_without_panic(
        text in "[ a-z(){}\\[\\]:;,.=|*@#'\"\\\\\\n-]{0,80}",
        code in "(def |async |f|\\(|\\)|: |int|\\[|\\]|, |\\||None|'|\"\"\"|Literal|class |pass|\\n|    |=|\\*){0,24}",
    ) {
        for source in [text, code] {
            let _ = json_schema(&source, None);
            let _ = introduction(&source, None);
            let _ = defines(&source, "f");
        }
    }
}
