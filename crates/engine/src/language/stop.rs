//! Finds stop strings in text that comes in pieces, and holds back what may yet become one.

/// Looks for stop strings.
pub(super) struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What may be shown after a piece of text.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    /// Text that is surely before any stop string.
    pub(super) text: String,
    /// Which stop string was found; the text before it is all there is.
    pub(super) stop: Option<usize>,
}

impl StopMatcher {
    /// Of several strings that match, the one that begins first wins, then the one listed first.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) -> Piece {
        self.held.push_str(text);
        let found =
            self.stops.iter().enumerate().filter_map(|(n, stop)| Some((self.held.find(stop)?, n))).min();
        if let Some((at, stop)) = found {
            let mut text = std::mem::take(&mut self.held);
            text.truncate(at);
            return Piece { text, stop: Some(stop) };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Piece { text: std::mem::replace(&mut self.held, rest), stop: None }
    }

    /// Gives up what was held back: no stop string goes across this place.
    pub(super) fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Length of the longest end of `text` that is a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest).rev().find(|&n| text.as_bytes().ends_with(&stop.as_bytes()[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(stops: &[&str], pieces: &[&str]) -> (String, Option<usize>) {
        let mut matcher = StopMatcher::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut all = String::new();
        for piece in pieces {
            let Piece { text, stop } = matcher.push(piece);
            all += &text;
            if stop.is_some() {
                return (all, stop);
            }
        }
        (all + &matcher.flush(), None)
    }

    #[test]
    fn finds_a_stop_across_pieces_and_shows_nothing_of_it() {
        assert_eq!(feed(&["\n", "END"], &["a", " E", "N", "Dx"]), ("a ".to_owned(), Some(1)));
        assert_eq!(feed(&["aab"], &["a", "a", "a", "b"]), ("a".to_owned(), Some(0)));
        assert_eq!(feed(&["ż"], &["kość", "ż"]), ("kość".to_owned(), Some(0)));
    }

    #[test]
    fn what_did_not_become_a_stop_is_shown() {
        assert_eq!(feed(&["END"], &["EN", "ERGY E"]), ("ENERGY E".to_owned(), None));
        assert_eq!(feed(&[], &["a", "b"]), ("ab".to_owned(), None));
    }

    #[test]
    fn the_first_place_wins_then_the_first_listed() {
        assert_eq!(feed(&["bc", "b", "ab"], &["xabc"]), ("x".to_owned(), Some(2)));
        assert_eq!(feed(&["bc", "b"], &["xabc"]), ("xa".to_owned(), Some(0)));
    }

    #[test]
    fn text_is_cut_at_whole_characters() {
        let mut matcher = StopMatcher::new(vec!["é!".to_owned()]);
        // "ê" shares its first byte with "é"; only whole beginnings are held back.
        assert_eq!(matcher.push("aê").text, "aê");
        assert_eq!(matcher.push("é").text, "");
        assert_eq!(matcher.flush(), "é");
    }
}
