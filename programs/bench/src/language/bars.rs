//! The bars that are judged by cells: prompts of one length, one dialogue and eight.

use crate::{
    limit::share,
    report::{Bar, Cell, Wanted},
    shape::Shape,
    systems::{Peer, Weights},
};

/// Tokens of the prompts that bars are set for.
const PROMPT: usize = 256;
/// Dialogues that together stand against one.
const MANY: usize = 8;
/// The shape that the share of the bandwidth is judged by.
const SHARE_SHAPE: Shape = Shape::M350;

/// What the cells of one shape say.
pub(super) fn bars(shape: Shape, cells: &[Cell]) -> Vec<Bar> {
    let cell = |dialogues| cells.iter().find(|cell| cell.prompt == PROMPT && cell.dialogues == dialogues);
    let Some(one) = cell(1) else { return Vec::new() };
    let title = |weights: Weights| format!("OPT-{} {}", shape.name(), weights.name());
    let mut all = Vec::new();
    for (peer, bar) in [
        (Peer::Reference, 20.0),
        (Peer::Transformers, 1.8),
        (Peer::Ctranslate2Float32, 1.2),
        (Peer::Ctranslate2Int8, 1.2),
    ] {
        let weights = peer.equal();
        let (Some(ours), Some(theirs)) = (one.figures(&weights.system()), one.figures(peer.name())) else {
            continue;
        };
        // The published loop has no decoding apart from its prompts.
        let (what, ours, theirs) = match peer {
            Peer::Reference => ("over all", ours.overall, theirs.overall),
            _ => ("decode", ours.decode, theirs.decode),
        };
        let title = format!("{}: one dialogue to {}, {what}", title(weights), peer.name());
        let detail = format!("{ours:.1} against {theirs:.1} tokens/s");
        all.push(Bar::ratio(title, share(ours, theirs), Some(Wanted::AtLeast(bar)), &detail));
    }
    all.extend(best_share(shape, one));
    if let Some(many) = cell(MANY) {
        all.extend(crowd(title, one, many));
    }
    all
}

/// The form of weights whose decoding comes nearest to the limit.
fn best_share(shape: Shape, one: &Cell) -> Option<Bar> {
    let against = one.systems.iter().filter_map(|system| Some((system, system.against.as_ref()?)));
    let (system, best) = against.max_by(|(_, a), (_, b)| a.share.total_cmp(&b.share))?;
    let percent = 100.0 * best.share;
    let figure = format!(
        "{percent:.0} % ({:.1} of {:.1} tokens/s, {})",
        system.figures.decode, best.limit, system.name
    );
    let bar = (shape == SHARE_SHAPE).then_some(Wanted::AtLeast(0.7));
    let what = format!("OPT-{}: one dialogue's share of the bandwidth limit, best form", shape.name());
    Some(Bar { what, figure, value: best.share, bar })
}

/// Eight dialogues to one, and to a batch of CTranslate2.
fn crowd(title: impl Fn(Weights) -> String, one: &Cell, many: &Cell) -> Vec<Bar> {
    let mut all = Vec::new();
    for weights in [Weights::F32, Weights::F16, Weights::Bf16, Weights::Int8] {
        let (Some(alone), Some(ours)) = (one.figures(&weights.system()), many.figures(&weights.system()))
        else {
            continue;
        };
        let detail = format!(
            "decode {:.1} against {:.1} tokens/s; over all {:.2}×",
            ours.decode,
            alone.decode,
            share(ours.overall, alone.overall)
        );
        let what = format!("{}: {MANY} dialogues to one, decode", title(weights));
        all.push(Bar::ratio(what, share(ours.decode, alone.decode), Some(Wanted::AtLeast(4.0)), &detail));
        for peer in [Peer::Ctranslate2Float32, Peer::Ctranslate2Int8] {
            let Some(theirs) = many.figures(peer.name()).filter(|_| peer.equal() == weights) else {
                continue;
            };
            let what = format!("{}: {MANY} dialogues to {}'s batch, decode", title(weights), peer.name());
            let detail = format!("{:.1} against {:.1} tokens/s", ours.decode, theirs.decode);
            let ratio = share(ours.decode, theirs.decode);
            all.push(Bar::ratio(what, ratio, Some(Wanted::AtLeast(1.0)), &detail));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{Against, System},
        statistics::Figures,
    };

    fn system(name: &str, decode: f64) -> System {
        let figures = Figures { decode, overall: decode / 2.0, ..Figures::default() };
        let against = Against { limit: 100.0, share: decode / 100.0, ratios: Vec::new() };
        let against = name.starts_with("fondue").then_some(against);
        System { name: name.to_owned(), figures, against, agreement: None }
    }

    fn cell(prompt: usize, dialogues: usize, systems: &[(&str, f64)]) -> Cell {
        let systems = systems.iter().map(|&(name, decode)| system(name, decode)).collect();
        Cell { shape: "350m".to_owned(), prompt, dialogues, new_tokens: 64, systems }
    }

    #[test]
    fn each_bar_is_judged_by_weights_as_precise() {
        let one =
            [("fondue f32", 40.0), ("fondue int8", 70.0), ("reference", 1.0), ("ctranslate2-int8", 60.0)];
        let many = [("fondue f32", 120.0), ("fondue int8", 300.0), ("ctranslate2-int8", 310.0)];
        let cells = [cell(32, 1, &one), cell(256, 1, &one), cell(256, 8, &many)];
        let all = bars(Shape::M350, &cells);
        let met: Vec<_> = all.iter().map(|bar| (bar.what.as_str(), bar.is_met())).collect();
        assert_eq!(
            met,
            [
                ("OPT-350m f32: one dialogue to reference, over all", Some(true)),
                ("OPT-350m int8: one dialogue to ctranslate2-int8, decode", Some(false)),
                ("OPT-350m: one dialogue's share of the bandwidth limit, best form", Some(true)),
                ("OPT-350m f32: 8 dialogues to one, decode", Some(false)),
                ("OPT-350m int8: 8 dialogues to one, decode", Some(true)),
                ("OPT-350m int8: 8 dialogues to ctranslate2-int8's batch, decode", Some(false)),
            ]
        );
        assert!(all[2].figure.starts_with("70 % (70.0 of 100.0"), "{}", all[2].figure);
    }

    #[test]
    fn other_prompts_and_shapes_are_not_judged() {
        assert_eq!(bars(Shape::M350, &[cell(32, 1, &[("fondue f32", 1.0)])]).len(), 0);
        let all = bars(Shape::M125, &[cell(256, 1, &[("fondue f32", 1.0)])]);
        assert_eq!((all.len(), all[0].is_met()), (1, None));
    }
}
