//! How dialogs are written for the model.

use fondue_domain::Compat;

use super::dialog::{Dialog, Dialogs};

/// The rounds `from` to `at`, the last one up to where its answer begins.
pub(super) fn context(dialogs: &Dialogs, dialog: &Dialog, from: usize, at: usize, mode: Compat) -> String {
    let mut text = String::new();
    for round in &dialog.rounds[from..at] {
        let answer = &dialogs.answers[round.options[round.right]];
        text.push_str(&format!("Q: {}?\nA: {answer}\n", dialogs.questions[round.question]));
    }
    let question = &dialogs.questions[dialog.rounds[at].question];
    // The published code ends in a blank, which no answer begins with in the model's tokens.
    let blank = if mode.is_reference() { " " } else { "" };
    text + &format!("Q: {question}?\nA:{blank}")
}

/// An answer behind it.
pub(super) fn candidate(answer: &str, mode: Compat) -> String {
    if mode.is_reference() { answer.to_owned() } else { format!(" {answer}") }
}

/// The rounds from `from` on as one text that a picture is looked for by.
pub(super) fn whole(dialogs: &Dialogs, dialog: &Dialog, from: usize, mode: Compat) -> String {
    let mut text = String::new();
    for round in &dialog.rounds[from..] {
        let (question, answer) =
            (&dialogs.questions[round.question], &dialogs.answers[round.options[round.right]]);
        // The published code puts a full stop behind one that is there.
        let stop = if mode == Compat::Off && answer.ends_with(['.', '!', '?']) { "" } else { "." };
        text.push_str(&format!("Q: {question}? A: {answer}{stop} "));
    }
    text.truncate(text.trim_end().len());
    text + "[RET]"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::Id, visdial::dialog::Round};

    fn dialogs() -> Dialogs {
        let round = |question, right| Round { question, options: vec![0, 1, 2], right };
        let dialog = Dialog { image: Id("1".to_owned()), rounds: vec![round(0, 1), round(1, 2)] };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Dialogs {
            dialogs: vec![dialog],
            questions: texts(&["is it red", "who is it"]),
            answers: texts(&["no", "yes", "a cat."]),
        }
    }

    #[test]
    fn a_context_ends_where_the_answer_begins() {
        let all = dialogs();
        let dialog = &all.dialogs[0];
        assert_eq!(
            context(&all, dialog, 0, 1, Compat::Reference),
            "Q: is it red?\nA: yes\nQ: who is it?\nA: "
        );
        assert_eq!(context(&all, dialog, 0, 1, Compat::Off), "Q: is it red?\nA: yes\nQ: who is it?\nA:");
        assert_eq!(context(&all, dialog, 1, 1, Compat::Off), "Q: who is it?\nA:", "shortened");
        assert_eq!(context(&all, dialog, 0, 0, Compat::Off), "Q: is it red?\nA:");
        assert_eq!(
            (candidate("no", Compat::Off), candidate("no", Compat::Reference)),
            (" no".into(), "no".into())
        );
    }

    #[test]
    fn a_whole_dialog_is_one_line() {
        let all = dialogs();
        let text = |from, mode| whole(&all, &all.dialogs[0], from, mode);
        assert_eq!(text(0, Compat::Reference), "Q: is it red? A: yes. Q: who is it? A: a cat..[RET]");
        assert_eq!(text(0, Compat::Off), "Q: is it red? A: yes. Q: who is it? A: a cat.[RET]");
        assert_eq!(text(1, Compat::Off), "Q: who is it? A: a cat.[RET]");
    }
}
