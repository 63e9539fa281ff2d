//! What will be measured: the command line with its defaults filled in.

mod retrieval;

pub(crate) use self::retrieval::RetrievalPlan;
use crate::{
    cli::{CommonArgs, LanguageArgs, VisionArgs},
    shape::{POSITIONS, Shape},
    systems::{Peer, Weights, peers},
};

/// Tokens of a dialogue before its next turn.
pub(crate) const HISTORY: usize = 512;
/// Tokens of the prompt that comes while others decode.
pub(crate) const LONG: usize = 1500;
/// Dialogues that decode beside it.
pub(crate) const BESIDE: usize = 7;

/// What is measured of the language service.
#[derive(Clone, Debug)]
pub(crate) struct LanguagePlan {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) weights: Vec<Weights>,
    pub(crate) prompts: Vec<usize>,
    pub(crate) dialogues: Vec<usize>,
    pub(crate) new_tokens: usize,
    pub(crate) runs: usize,
    pub(crate) reference_runs: usize,
    pub(crate) reference_prompt: usize,
    pub(crate) peers: Vec<Peer>,
    /// Bytes for keys and values, if they were asked for.
    pub(crate) kv_bytes: Option<u64>,
    /// Tokens of the answers beside a long prompt.
    pub(crate) beside_tokens: usize,
    pub(crate) service_flags: Vec<String>,
    pub(crate) cells: bool,
    pub(crate) scenarios: bool,
}

/// What is measured of the vision service.
#[derive(Clone, Debug)]
pub(crate) struct VisionPlan {
    pub(crate) layers: usize,
    pub(crate) narrow: bool,
    pub(crate) weights: Vec<Weights>,
    pub(crate) pictures: usize,
    pub(crate) batch: usize,
    pub(crate) runs: usize,
    pub(crate) peer: bool,
}

impl LanguagePlan {
    pub(crate) fn new(common: &CommonArgs, args: LanguageArgs) -> Self {
        let quick = common.quick;
        Self {
            shapes: or(args.shape, quick, &[Shape::Tiny], &[Shape::M125, Shape::M350]),
            weights: or(
                args.weights,
                quick,
                &[Weights::F32, Weights::Int8],
                &[Weights::F32, Weights::Bf16, Weights::Int8],
            ),
            prompts: or(args.prompt, quick, &[32, 64], &[32, 256, 1024]),
            dialogues: or(args.dialogues, quick, &[1, 8], &[1, 4, 8, 16]),
            new_tokens: args.new_tokens.unwrap_or(if quick { 8 } else { 64 }),
            runs: args.runs.unwrap_or(if quick { 1 } else { 3 }),
            reference_runs: args.reference_runs,
            reference_prompt: args.reference_prompt,
            peers: peers(&common.peers, quick),
            kv_bytes: args.kv_bytes,
            beside_tokens: if quick { 24 } else { 192 },
            service_flags: args.service_flag,
            cells: !args.scenarios_only,
            scenarios: !args.cells_only,
        }
    }

    /// Runs of all systems in all cells.
    pub(crate) fn steps(&self) -> u64 {
        let (mut steps, ours) = (0, self.runs * self.weights.len());
        for &prompt in &self.prompts {
            for &dialogues in &self.dialogues {
                let runs = self.peers.iter().map(|peer| self.runs_of(*peer, prompt, dialogues));
                steps += ours + runs.sum::<usize>();
            }
        }
        if self.cells { (steps * self.shapes.len()) as u64 } else { 0 }
    }

    /// How often a peer runs in a cell.
    pub(crate) fn runs_of(&self, peer: Peer, prompt: usize, dialogues: usize) -> usize {
        match peer {
            Peer::Reference if dialogues > 1 || prompt > self.reference_prompt => 0,
            Peer::Reference => self.reference_runs.min(self.runs),
            _ => self.runs,
        }
    }

    /// Positions of keys and values that the largest cell needs, with some to spare for what comes in blocks.
    pub(crate) fn cell_positions(&self) -> usize {
        let most = |values: &[usize]| values.iter().copied().max().unwrap_or(1);
        // The service wants room for one sequence of all positions at least.
        POSITIONS.max(most(&self.dialogues) * (most(&self.prompts) + self.new_tokens + 64))
    }

    /// The same for the scenarios, all of which run in one service.
    pub(crate) fn scenario_positions(&self) -> usize {
        POSITIONS.max(LONG + 128 + BESIDE * (64 + self.beside_tokens + 64))
    }
}

impl VisionPlan {
    pub(crate) fn new(common: &CommonArgs, args: VisionArgs) -> Self {
        let quick = common.quick;
        let number = |given: Option<usize>, small, usual| given.unwrap_or(if quick { small } else { usual });
        Self {
            layers: number(args.layers, 1, 4),
            narrow: quick,
            weights: or(args.vision_weights, quick, &[Weights::F32], &[Weights::F32, Weights::Bf16]),
            pictures: number(args.pictures, 4, 32),
            batch: number(args.batch, 2, 8),
            runs: number(args.vision_runs, 1, 5),
            peer: peers(&common.peers, quick).contains(&Peer::Transformers),
        }
    }
}

fn or<T: Copy>(given: Vec<T>, quick: bool, small: &[T], usual: &[T]) -> Vec<T> {
    match (given.is_empty(), quick) {
        (false, _) => given,
        (true, true) => small.to_vec(),
        (true, false) => usual.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(flags: &[&str]) -> LanguagePlan {
        let words = [&["bench", "language"], flags].concat();
        let Command::Language { common, language } =
            Cli::read(words.into_iter().map(Into::into)).unwrap().command
        else {
            panic!("another command")
        };
        LanguagePlan::new(&common, language)
    }

    #[test]
    fn what_is_asked_for_wins_over_quick() {
        let plan = plan(&["--quick", "--prompt", "16", "--runs", "2"]);
        assert_eq!((plan.prompts.as_slice(), plan.runs, plan.new_tokens), ([16].as_slice(), 2, 8));
        assert_eq!((plan.peers, plan.shapes), (Vec::new(), vec![Shape::Tiny]));
    }

    #[test]
    fn the_published_loop_runs_seldom() {
        let plan = plan(&["--prompt", "32,257", "--dialogues", "1,2", "--shape", "125m"]);
        let runs = |prompt, dialogues| plan.runs_of(Peer::Reference, prompt, dialogues);
        assert_eq!((runs(256, 1), runs(257, 1), runs(32, 2)), (1, 0, 0));
        // Three forms and three peers in four cells, thrice; and it once.
        assert_eq!(plan.steps(), 4 * 3 * 6 + 1);
    }
}
