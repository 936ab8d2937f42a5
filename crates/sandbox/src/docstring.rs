//! What the docstring of a Python function says: what the function does, and what its arguments are.
//!
//! Four styles are in use. Each is tried, and the one that finds the most entries is believed.

mod styles;

/// What a docstring says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Docstring {
    /// What the function does.
    pub(crate) description: String,
    /// The arguments, as `(name, text)`.
    pub(crate) arguments: Vec<(String, String)>,
}

impl Docstring {
    /// Reads a docstring as it stands in the source.
    pub(crate) fn parse(text: &str) -> Self {
        let text = clean(text);
        let lines: Vec<&str> = text.lines().collect();
        let parsed = styles::best(&lines);
        let head = lines.get(..parsed.head).unwrap_or_default();
        let mut description = description(head);
        if !description.contains("Examples:")
            && let Some(examples) = examples(&lines)
        {
            description = format!("{description}\n\n{examples}");
        }
        Self { description, arguments: parsed.arguments }
    }

    /// The text about an argument.
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        let of_name = self.arguments.iter().find(|(argument, _)| argument == name);
        of_name.map(|(_, text)| text.as_str()).filter(|text| !text.trim().is_empty())
    }
}

/// The first line, and what follows it behind a blank line.
fn description(lines: &[&str]) -> String {
    let mut lines = lines.iter().copied().skip_while(|line| line.trim().is_empty());
    let short = lines.next().unwrap_or_default().trim();
    let long = dedent(&lines.collect::<Vec<_>>());
    match (short, long.trim()) {
        ("", "") => "No description available".to_owned(),
        (short, "") => short.to_owned(),
        (short, long) => format!("{short}\n\n{long}"),
    }
}

/// The section of examples, with its title.
fn examples(lines: &[&str]) -> Option<String> {
    let start = lines.iter().position(|line| line.trim_end() == "Examples:")?;
    let body = section(lines.get(start.saturating_add(1)..)?);
    let end = start.saturating_add(1).saturating_add(body.len());
    Some(lines.get(start..end)?.join("\n").trim_end().to_owned())
}

/// The lines up to the first that is not indented.
fn section<'l>(lines: &'l [&'l str]) -> &'l [&'l str] {
    let end = lines.iter().position(|line| indent(line) == Some(0)).unwrap_or(lines.len());
    lines.get(..end).unwrap_or_default()
}

/// How far a line is indented; a blank line is not at all.
fn indent(line: &str) -> Option<usize> {
    if line.trim().is_empty() { None } else { line.len().checked_sub(line.trim_start_matches(' ').len()) }
}

/// The lines without the indentation that they share.
fn unindented(lines: &[&str]) -> String {
    let margin = lines.iter().filter_map(|line| indent(line)).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(margin..).unwrap_or_default().trim_end()).collect();
    lines.join("\n")
}

/// The lines without the indentation that they share, and without blank lines around them.
fn dedent(lines: &[&str]) -> String {
    unindented(lines).trim_matches('\n').to_owned()
}

/// The text without the indentation of the code around it.
pub(crate) fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "        ");
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let rest = unindented(&rest.lines().collect::<Vec<_>>());
    format!("{}\n{rest}", first.trim()).trim_matches('\n').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the description and the arguments.
    #[track_caller]
    fn says(text: &str, description: &str, arguments: &[(&str, &str)]) {
        let found = Docstring::parse(text);
        let arguments: Vec<(String, String)> =
            arguments.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!((found.description.as_str(), found.arguments), (description, arguments));
    }

    #[test]
    fn the_style_of_google() {
        says(
            "Adds.\n\n    Args:\n        a (int): The left\n            one:\n            - at first\n\n        b: The right. Defaults to 1.\n\n    Returns:\n        int: the sum\n    ",
            "Adds.",
            &[("a", "The left\none:\n- at first"), ("b", "The right. Defaults to 1.")],
        );
        for title in ["Args", "Arguments", "Parameters", "Params"] {
            says(&format!("Do.\n\n{title}:\n  x: it"), "Do.", &[("x", "it")]);
        }
    }

    #[test]
    fn the_style_of_rest() {
        says(
            "Adds.\n\n:param a: The left\n    one.\n:param int b: The right.\n:return: The sum.",
            "Adds.",
            &[("a", "The left\none."), ("b", "The right.")],
        );
    }

    #[test]
    fn the_style_of_numpy() {
        says(
            "Adds.\n\nMore.\n\nParameters\n----------\na : int\n    The left\n    one.\nb\n    The right.\n\nReturns\n-------\nint\n    The sum.",
            "Adds.\n\nMore.",
            &[("a", "The left\none."), ("b", "The right.")],
        );
    }

    #[test]
    fn the_style_of_epydoc() {
        says(
            "Adds.\n\n@param a: The left.\n@param b: The right.\n@return: x",
            "Adds.",
            &[("a", "The left."), ("b", "The right.")],
        );
    }

    #[test]
    fn the_first_line_stands_alone_in_the_description() {
        says("Short\n    and long\n      and longer.\n", "Short\n\nand long\n  and longer.", &[]);
        says("Only this.", "Only this.", &[]);
        says("\n\n    Later.\n    ", "Later.", &[]);
        says("\n    Args:\n        a: x", "No description available", &[("a", "x")]);
    }

    #[test]
    fn unknown_titles_stay_in_the_description_and_end_a_section() {
        says(
            "Do.\n\nNote:\n    Take care.\n\nArgs:\n    a: x\n\nWarning:\n    hot: very\n",
            "Do.\n\nNote:\n    Take care.",
            &[("a", "x")],
        );
    }

    #[test]
    fn examples_are_kept_and_end_where_the_next_section_begins() {
        says(
            "Do.\n\n    Examples:\n        do(1)\n\n    Args:\n        a: x\n    ",
            "Do.\n\nExamples:\n    do(1)",
            &[("a", "x")],
        );
    }

    #[test]
    fn an_argument_without_a_colon_makes_it_no_docstring_of_google() {
        says("Do.\n\nArgs:\n    a: x\n    oops", "Do.\n\nArgs:\n    a: x\n    oops", &[]);
    }

    #[test]
    fn any_text_is_read_without_panic() {
        proptest::proptest!(|(text in "[ \\t\\r\\n:@a-zäÄ\\-]{0,60}|(Args:|Examples:|:param |@param |Parameters|---|\\n|  |a: b|ä){0,12}")| {
            let _ = Docstring::parse(&text);
        });
    }
}
