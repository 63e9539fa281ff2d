//! A thing's name as an English noun: its article, whether it is plural, what refers to it.

/// A name with what English needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noun {
    /// In lower case, for example `red apple`.
    pub(crate) name: String,
    article: &'static str, // with its space
    plural: bool,
}

/// Words that name no piece: a mass, a game, a state. Looked up as the last word of the name's head.
const UNCOUNTED: &str = "
    arrival away bacon badminton baggage baseball basketball biohazard bowling bread breast-feeding
    broccoli butter camping cinema claim congratulations construction control cooking coral cream
    custard dango departure divide dizzy dna falafel fire flatbread fog foggy food football garlic
    ginger hockey honey ice infinity information lacrosse laughing lightning liquid littering locked
    luggage mate meat milk minus mode money multiply oden off om plus polish pong popcorn prohibited
    racing radioactive rain rice rolling root rugby sake salad salt smoking snow soap softball spaghetti
    star-struck sushi tennis thread toast tofu unlocked volleyball voltage warning water wireless wood
    yang yarn zzz";

/// Names of one being, place or time, and of a star sign: they take no article.
const PROPER: [&str; 5] = ["santa claus", "mrs. claus", "mx claus", "mount fuji", "tokyo tower"];
const SIGNS: &str = "
    aries taurus gemini cancer leo virgo libra scorpio sagittarius capricorn aquarius pisces ophiuchus";

/// Names of the only one of its kind.
const ONLY: &[&str] = &["kaaba", "milky way", "statue of liberty", "star of david", "wheel of dharma", "sun"];

/// Plurals without an s at the end, and those whose `is` or `us` deceives.
const PLURAL: &str = "busts children clothes dice men palms people skis teeth women";

/// What ends the head of a name: `cloud with rain` is a cloud.
const AFTER_HEAD: &str = "
    of with without in on over at for to from and or behind lifting showing savoring but facing wearing
    tilted pointing pointed curving";

impl Noun {
    /// The noun that a thing is called by.
    pub(crate) fn new(name: &str) -> Self {
        let head = head(name);
        let last = head.rsplit(' ').next().unwrap_or(head);
        let first = head.split(' ').next().unwrap_or(head);
        let s = last.ends_with('s') && !["ss", "us", "is", "’s", "ros"].iter().any(|end| last.ends_with(end));
        let proper = PROPER.contains(&name)
            || among(SIGNS, name)
            || name.contains("o’clock")
            || name.ends_with("-thirty");
        let one = ONLY.contains(&name) || proper || among(UNCOUNTED, last) || first == "thumbs";
        let plural = !one && (s || among(PLURAL, last) || among(PLURAL, first));
        let bare = proper || plural || among(UNCOUNTED, last) || first == "no" || first.len() == 1;
        let article = match () {
            () if ONLY.contains(&name) => "the ",
            () if bare => "",
            () if begins_with_vowel(name) => "an ",
            () => "a ",
        };
        Self { name: name.to_owned(), article, plural }
    }

    /// `a red apple`, `an orange heart`, `grapes`.
    pub(crate) fn a(&self) -> String {
        format!("{}{}", self.article, self.name)
    }

    /// `another red apple`, `more grapes`.
    pub(crate) fn another(&self) -> String {
        let counted = self.article == "a " || self.article == "an ";
        format!("{} {}", if counted { "another" } else { "more" }, self.name)
    }

    /// `is` or `are`.
    pub(crate) fn is(&self) -> &'static str {
        if self.plural { "are" } else { "is" }
    }

    /// `this is` or `these are`.
    pub(crate) fn this_is(&self) -> &'static str {
        if self.plural { "these are" } else { "this is" }
    }

    /// `it is` or `they are`.
    pub(crate) fn it_is(&self) -> &'static str {
        if self.plural { "they are" } else { "it is" }
    }
}

/// What the name is about: `cloud` of `cloud with rain`.
fn head(name: &str) -> &str {
    // A sign is called by what it says, in quotation marks.
    let mut words = name.split_inclusive(' ').skip(1).take(if name.contains('“') { 0 } else { usize::MAX });
    let mut end = name.find(' ').map_or(name.len(), |space| space + 1);
    let cut = words.find_map(|word| {
        let begins = end;
        end += word.len();
        (word.starts_with('(') || among(AFTER_HEAD, word.trim())).then_some(begins)
    });
    let head = cut.map_or(name, |cut| &name[..cut]);
    head.split(':').next().unwrap_or(head).trim()
}

fn among(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// Whether the name is said with a vowel first.
fn begins_with_vowel(name: &str) -> bool {
    let consonant = ["uni", "use", "uti", "eu", "ewe", "one", "once"];
    let vowel = ["hour", "honest", "x-ray", "sos ", "ng ", "8 ", "11", "18", "mx "];
    vowel.iter().any(|begin| name.starts_with(begin))
        || name.starts_with(['a', 'e', 'i', 'o', 'u'])
            && !consonant.iter().any(|begin| name.starts_with(begin))
}

/// The sentence with its first letter as a capital.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_those_of_english() {
        for said in [
            "a red apple",
            "an orange heart",
            "grapes",
            "a unicorn",
            "an umbrella",
            "a one-piece swimsuit",
            "an hourglass not done",
            "bread",
            "french fries",
            "a cloud with rain",
            "people hugging",
            "a person running",
            "the milky way",
            "mount fuji",
            "a bus",
            "a cactus",
            "skis",
            "a dress",
            "eight o’clock",
            "no smoking",
            "an x-ray",
            "a euro banknote",
            "glasses",
            "a glass of milk",
            "a thumbs up",
            "a person lifting weights",
            "an hourglass not done",
            "a globe showing americas",
            "a japanese “not free of charge” button",
            "a rhinoceros",
            "a face savoring food",
            "a man: bald",
            "scissors",
            "a compass",
            "women wrestling",
            "woman’s clothes",
            "an ear of corn",
            "an ewe",
        ] {
            let name =
                ["a ", "an ", "the "].iter().find_map(|article| said.strip_prefix(article)).unwrap_or(said);
            let wanted = if said == "an ewe" { "a ewe" } else { said };
            assert_eq!(Noun::new(name).a(), wanted);
        }
    }

    #[test]
    fn what_refers_to_it_agrees_in_number() {
        let (apple, grapes, bread) = (Noun::new("red apple"), Noun::new("grapes"), Noun::new("bread"));
        assert_eq!((apple.this_is(), grapes.this_is(), bread.this_is()), ("this is", "these are", "this is"));
        assert_eq!((apple.another(), grapes.another()), ("another red apple".into(), "more grapes".into()));
        assert_eq!((bread.another(), grapes.is(), bread.it_is()), ("more bread".into(), "are", "it is"));
    }
}
