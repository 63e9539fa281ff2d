//! What is said to the model to see whether it writes `[RET]` where a picture is asked for, and only there.
//!
//! *Known* is put as the corpus's own dialogues put it, *new* as none of them does.

/// Ways to say something, filled as [`Spoken::fill`](super::spoken::Spoken::fill) does.
pub(crate) struct Phrasings {
    pub(crate) known: &'static [&'static str],
    pub(crate) new: &'static [&'static str],
}

/// A picture of a thing is asked for.
pub(crate) const ASKING: Phrasings = Phrasings {
    known: &[
        "Show me {a}.",
        "Find me a picture of {a}.",
        "Can you show me {a}?",
        "Draw {a}.",
        "I would like to see {a}.",
        "Do you have a picture of {a}?",
        "{A}, please.",
        "What does {a} look like?",
        "{name}",
    ],
    new: &[
        "Please bring up {a} for me.",
        "I want a picture with {a} in it.",
        "Could you look for {a}?",
        "Is there a picture of {a}?",
        "Get me {a}.",
        "Let us look at {a}.",
    ],
};

/// Something is asked about a thing, and no picture.
pub(crate) const ABOUT: Phrasings = Phrasings {
    known: &[
        "What {is} {a}?",
        "What kind of thing {is} {a}?",
        "Which words go with {a}?",
        "What does {name} mean?",
    ],
    new: &["How heavy {is} {a}?", "Why do people like {a}?", "Where does the word {name} come from?"],
};

/// Talk.
pub(crate) const TALK: Phrasings = Phrasings {
    known: &[
        "Hello.",
        "Good morning!",
        "How are you?",
        "Thank you.",
        "Who are you?",
        "What is your name?",
        "What can you do?",
        "How does this work?",
        "Are you a robot?",
        "I am sad.",
        "I am hungry.",
        "Well done.",
        "Tell me a joke.",
        "What time is it?",
        "How is the weather?",
        "Goodbye.",
        "Sorry.",
        "No, thank you.",
    ],
    new: &[
        "Hello, my friend!",
        "It is late.",
        "You are funny.",
        "What did you do today?",
        "I do not believe you.",
        "How many people live in France?",
        "What is two plus two?",
        "My dog is ill.",
        "Do you like music?",
        "I must go now.",
        "Who wrote this?",
        "That is interesting.",
    ],
};

/// A picture that was shown is asked about.
pub(crate) const SEEN: Phrasings = Phrasings {
    known: &["What is this?", "What kind of thing is this?", "Describe this picture.", "What do you see?"],
    new: &["What might this be used for?", "Tell me what is drawn here."],
};

/// What was said before, for those that stand later in a dialogue.
pub(crate) const BEFORE: &str = "Q: Hello.\nA: Hello, what would you like to see?\n";

/// A turn up to where the answer begins.
pub(crate) fn turn(said: &str) -> String {
    format!("Q: {said}\nA:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_known_and_new() {
        for phrasings in [ASKING, ABOUT, TALK, SEEN] {
            assert!(phrasings.known.iter().all(|known| !phrasings.new.contains(known)));
        }
        assert_eq!(turn("Hello."), "Q: Hello.\nA:");
    }
}
