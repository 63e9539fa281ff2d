//! The examples of a page: fenced blocks whose info string has `test`, each with what it should print.
//!
//! ````text
//! ```sh,test               run by bash
//! ```python,test           run by python3
//! ```text expect           what the block before prints: each line in this order, `…` for anything
//! ````

/// An example to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// Line of the page that it begins at.
    pub(crate) line: usize,
    /// `sh` or `python`.
    pub(crate) language: String,
    pub(crate) code: String,
    pub(crate) expected: Vec<String>,
}

/// All examples of a page that are to be run.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut lines) = (Vec::<Block>::new(), (1..).zip(page.lines()));
    let mut last_runs = false;
    while let Some((line, text)) = lines.next() {
        let Some(info) = text.strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
        let words: Vec<&str> = info.split([',', ' ']).collect();
        if words.contains(&"test") {
            found.push(Block {
                line,
                language: words[0].to_owned(),
                code: body.join("\n"),
                expected: Vec::new(),
            });
            last_runs = true;
        } else if words.contains(&"expect") {
            assert!(last_runs, "line {line}: `expect` follows no example that is run");
            if let Some(block) = found.last_mut() {
                block.expected = body.into_iter().map(str::to_owned).collect();
            }
        } else {
            last_runs = false;
        }
    }
    found
}

/// The first expected line that is not in `printed`, after those before it.
pub(crate) fn missing<'a>(expected: &'a [String], printed: &str) -> Option<&'a str> {
    let mut rest = printed;
    for line in expected {
        for piece in line.split('…').map(str::trim).filter(|piece| !piece.is_empty()) {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return Some(line),
            }
        }
    }
    None
}

#[test]
fn blocks_and_what_they_print_are_told_apart_from_other_blocks() {
    let page =
        "a\n```sh,test\nls\nls\n```\n\n```text expect\nb…c\nd\n```\n```sh\nno\n```\n```python,test\np\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].line, found[0].code.as_str(), found[0].expected.len()), (2, "ls\nls", 2));
    assert_eq!((found[1].language.as_str(), found[1].code.as_str()), ("python", "p"));
    assert_eq!(missing(&found[0].expected, "b 1 c\nd"), None);
    assert_eq!(missing(&found[0].expected, "d b 1 c"), Some("d"));
    assert_eq!(missing(&found[0].expected, "c b d"), Some("b…c"));
}
