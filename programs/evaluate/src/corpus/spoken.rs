//! How a thing is spoken of: with which article, in which number. Captions tell; where there are none it is guessed.

/// A name in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// `a red apple`, `grapes`.
    pub(crate) a: String,
    plural: bool,
    known: bool,
}

impl Spoken {
    /// From the name alone.
    pub(crate) fn guessed(name: &str) -> Self {
        let last = name.split([',', ':']).next().unwrap_or(name).rsplit(' ').next().unwrap_or(name);
        let plural = last.ends_with('s') && !["ss", "us", "is"].iter().any(|end| last.ends_with(end));
        let article = match name.chars().next() {
            _ if plural => "",
            Some('a' | 'e' | 'i' | 'o' | 'u') => "an ",
            _ => "a ",
        };
        Self { a: format!("{article}{name}"), plural, known: false }
    }

    /// From a caption of one of its pictures.
    pub(crate) fn learn(&mut self, name: &str, caption: &str) {
        if let Some(sentence) = caption.strip_prefix("Here are ") {
            self.plural = sentence.strip_suffix('.').is_some_and(|rest| rest.ends_with(name));
        } else if caption.starts_with("Here is ") {
            self.plural = false;
        } else if let Some(article) = caption.strip_suffix(name)
            && ["", "a ", "an ", "the "].contains(&article)
            && (!self.known || !article.is_empty())
        {
            (self.a, self.known) = (caption.to_owned(), true);
        }
    }

    /// A template with the name in its places: `{a}`, `{A}`, `{name}`, `{is}`.
    pub(crate) fn fill(&self, template: &str, name: &str) -> String {
        let mut letters = self.a.chars();
        let capital: String =
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let is = if self.plural { "are" } else { "is" };
        template.replace("{is}", is).replace("{A}", &capital).replace("{a}", &self.a).replace("{name}", name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_tell_the_article_and_the_number() {
        let mut hourglass = Spoken::guessed("hourglass");
        assert_eq!(hourglass.a, "a hourglass", "a guess");
        for caption in ["hourglass", "an hourglass", "Here is an hourglass."] {
            hourglass.learn("hourglass", caption);
        }
        assert_eq!(hourglass.fill("What {is} {a}?", "hourglass"), "What is an hourglass?");
        let mut bread = Spoken::guessed("bread");
        for caption in ["bread", "bread", "Here is bread."] {
            bread.learn("bread", caption);
        }
        assert_eq!(bread.fill("{A}, please.", "bread"), "Bread, please.");
        let mut dice = Spoken::guessed("dice");
        dice.learn("dice", "Here are dice.");
        assert_eq!(dice.fill("{is} {name}", "dice"), "are dice");
        assert_eq!(Spoken::guessed("grapes").a, "grapes");
    }
}
