//! Whether an answer names the thing.

use super::read::Thing;

/// What an answer says that a picture shows: lower case, without what leads to the name, and without the full stop.
pub(crate) fn named(answer: &str) -> String {
    let mut rest = answer.trim().trim_end_matches(['.', '!']).trim().to_lowercase();
    for leading in [
        &["yes, ", "no, "][..],
        &[
            "this is ",
            "these are ",
            "it is ",
            "they are ",
            "i see ",
            "the picture shows ",
            "here is ",
            "here are ",
        ],
        &["a ", "an ", "the ", "another ", "more "],
    ] {
        if let Some(after) = leading.iter().find_map(|leading| rest.strip_prefix(leading)) {
            rest = after.trim_start().to_owned();
        }
    }
    rest
}

/// Whether it is the thing's name and nothing else.
pub(crate) fn is_right(answer: &str, thing: &Thing) -> bool {
    named(answer) == named(&thing.name)
}

/// Whether the name or a keyword of the thing stands in it, as whole words.
pub(crate) fn is_near(answer: &str, thing: &Thing) -> bool {
    let said = words(answer);
    let stands = |wanted: &str| {
        let wanted = words(wanted);
        !wanted.is_empty() && said.windows(wanted.len()).any(|window| window == wanted)
    };
    stands(&thing.name) || thing.keywords.iter().any(|keyword| stands(keyword))
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '’');
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::spoken::Spoken;

    fn thing(name: &str, keywords: &[&str]) -> Thing {
        let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
        Thing { name: name.to_owned(), group: String::new(), keywords, spoken: Spoken::guessed(name) }
    }

    #[test]
    fn a_name_is_right_in_any_sentence_that_only_names() {
        let apple = thing("red apple", &["fruit", "health food"]);
        for right in [
            "This is a red apple.",
            " a red apple",
            "Red apple",
            "Yes, this is a red apple.",
            "I see a red apple.",
        ] {
            assert!(is_right(right, &apple), "{right}");
        }
        for wrong in ["This is a green apple.", "This is a red apple tree.", "", "This is an apple."] {
            assert!(!is_right(wrong, &apple), "{wrong}");
        }
        assert!(is_right("These are grapes.", &thing("grapes", &[])));
        assert!(is_right("This is the milky way.", &thing("milky way", &[])));
        assert!(is_right("This is a button.", &thing("A button", &[])) || named("A button") == "button");
    }

    #[test]
    fn a_keyword_is_near_as_whole_words() {
        let apple = thing("red apple", &["fruit", "health food"]);
        assert!(is_near("This is a fruit.", &apple));
        assert!(is_near("It is health food", &apple));
        assert!(!is_near("This is a fruitcake.", &apple));
        assert!(!is_near("This is food.", &apple));
        assert!(!is_near("", &apple));
    }
}
