//! kitty's graphics protocol: a PNG in pieces of base64.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Area, INDENT};

/// Longest piece that the protocol allows.
const PIECE: usize = 4096;

/// A picture that is sent and shown at once. `q=2`: the terminal must not answer, for nobody would read it.
pub(super) fn encode(png: &[u8], area: Area) -> String {
    let data = STANDARD.encode(png);
    let mut text = INDENT.to_owned();
    let mut keys = format!("a=T,f=100,q=2,c={},r={},", area.columns, area.rows);
    let mut rest = data.as_str();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(PIECE)); // base64 is ASCII
        let more = u8::from(!after.is_empty());
        text.push_str(&format!("\x1b_G{keys}m={more};{piece}\x1b\\"));
        (keys, rest) = (String::new(), after);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pictures_come_in_pieces() {
        let text = encode(&[7; 7000], Area { columns: 3, rows: 2 });
        let pieces: Vec<_> = text.trim().split_terminator("\x1b\\").collect();
        assert_eq!(pieces.len(), 3);
        assert!(pieces[0].starts_with("\x1b_Ga=T,f=100,q=2,c=3,r=2,m=1;"), "{}", &pieces[0][..40]);
        assert!(pieces[1].starts_with("\x1b_Gm=1;") && pieces[2].starts_with("\x1b_Gm=0;"));
        let data: String =
            pieces.iter().filter_map(|piece| piece.split_once(';')).map(|(_, data)| data).collect();
        assert_eq!(STANDARD.decode(data).unwrap(), [7; 7000]);
        assert!(pieces.iter().all(|piece| piece.split_once(';').unwrap().1.len() <= PIECE));
    }
}
