//! What a process told before it ended, and what must be there after it.

use std::{collections::BTreeMap, path::Path};

use fondue_churn::{Content, SETTINGS, content};
use fondue_index::Index;

/// What may have begun last.
#[derive(Clone, Debug)]
enum Begun {
    Put(u32, Vec<u32>),
    Delete(Vec<u32>),
    Activate(String),
}

/// Everything that was acknowledged.
pub(crate) struct Told {
    /// The active one last; before it those that were when the change that may have begun did.
    line: Vec<String>,
    holds: BTreeMap<String, Held>,
    begun: Option<(String, Begun)>,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    /// Changes that were acknowledged after one was refused.
    pub(crate) recovered: usize,
    pub(crate) activated: usize,
    pub(crate) compacted: usize,
    pub(crate) collected: usize,
}

/// What a generation holds.
#[derive(Clone)]
struct Held {
    content: Content,
    /// Whether that lives on in another one, too: it may be collected.
    elsewhere: bool,
}

impl Told {
    pub(crate) fn new(active: String, holds: BTreeMap<String, Content>) -> Self {
        let held = |(id, content)| (id, Held { content, elsewhere: false });
        let holds = holds.into_iter().map(held).collect();
        let (acknowledged, refused, recovered, activated, compacted, collected) = Default::default();
        Self {
            line: vec![active],
            holds,
            begun: None,
            acknowledged,
            refused,
            recovered,
            activated,
            compacted,
            collected,
        }
    }

    /// Takes a line that the process wrote.
    pub(crate) fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let ids = |text: &str| text.split(',').map(|id| id.parse().unwrap()).collect();
        let (number, begun) = match words[..] {
            ["put", number, version, list] => (number, Begun::Put(version.parse().unwrap(), ids(list))),
            ["delete", number, list] => (number, Begun::Delete(ids(list))),
            ["activate", number, to] => (number, Begun::Activate(to.to_owned())),
            ["compacted", old, new] => return self.compacted_to(old, new),
            ["ok", number, generation] => return self.done(number, generation),
            ["no", number, ..] => {
                let (known, begun) = self.begun.take().unwrap();
                assert_eq!(known, number);
                self.refused += usize::from(!matches!(begun, Begun::Activate(_)));
                return;
            }
            _ => panic!("{line}"),
        };
        assert!(self.begun.replace((number.to_owned(), begun)).is_none());
        self.line.drain(..self.line.len() - 1);
    }

    fn done(&mut self, number: &str, generation: &str) {
        let (known, begun) = self.begun.take().unwrap();
        assert_eq!(known, number);
        if let Begun::Activate(to) = begun {
            assert_eq!(to, generation);
            self.line = vec![to];
            self.activated += 1;
            return;
        }
        if !self.line.iter().any(|id| id == generation) {
            self.compacted_to(&self.line.last().unwrap().clone(), generation);
        }
        // It went to the one that was active then, and on with it.
        let (at, last) = (self.line.iter().position(|id| id == generation).unwrap(), self.line.len() - 1);
        for (n, id) in self.line.iter().enumerate().skip(at) {
            let held = self.holds.get_mut(id).unwrap();
            // Behind the first one it is what was passed on, and no change of its own.
            let elsewhere = n < last || n > at && held.elsewhere;
            *held = Held { content: after(&held.content, &begun), elsewhere };
        }
        self.acknowledged += 1;
        self.recovered += usize::from(self.refused > 0);
    }

    fn compacted_to(&mut self, old: &str, new: &str) {
        if self.holds.contains_key(new) {
            assert!(self.line.iter().any(|id| id == new), "{new} was compacted twice");
            return; // a change told it first
        }
        assert_eq!(self.line.last().unwrap(), old);
        let held = self.holds.get_mut(old).unwrap();
        held.elsewhere = true;
        let same = held.clone();
        self.holds.insert(new.to_owned(), same);
        self.line.push(new.to_owned());
        self.compacted += 1;
    }

    /// Compares with what is there after a kill, and goes on from it; returns the generations that there are.
    pub(crate) fn check(&mut self, root: &Path) -> Vec<String> {
        let index = Index::open(root, SETTINGS).unwrap();
        assert!(index.writable());
        let begun = self.begun.take().map(|(_, begun)| begun);
        let active = index.view("").unwrap().generation().id().to_owned();
        let mut line = self.line.clone();
        if line.last() != Some(&active) {
            match &begun {
                Some(Begun::Activate(to)) if *to == active => line = vec![active.clone()],
                _ => {
                    self.compacted_to(&line.pop().unwrap(), &active);
                    line = self.line.clone();
                }
            }
        }
        let there = index.generations().unwrap();
        for id in &there {
            let view = index.view(id).unwrap();
            let now = content(&view).unwrap();
            if !self.holds.contains_key(id) && *id != active {
                // The kill came when it was published and nobody had heard of it: changes waited for it, so that it
                // holds what its parent does.
                let held = self.holds.get_mut(view.generation().parent().unwrap()).unwrap();
                let parent = &held.content;
                let change = begun.as_ref().map(|change| after(parent, change));
                assert!(now == *parent || Some(&now) == change.as_ref(), "{id}: {now:?}, parent {parent:?}");
                // So its parent lives on in it, and may be gone already.
                held.elsewhere = true;
                self.holds.insert(id.clone(), Held { content: now, elsewhere: true });
                continue;
            }
            let known = self.holds.get(id);
            // The active one, if nobody was told of it, was compacted from the one before.
            let known = known.unwrap_or_else(|| &self.holds[view.generation().parent().unwrap()]).clone();
            let mut elsewhere = known.elsewhere;
            if now != known.content {
                let may = self.line.contains(id) || !self.holds.contains_key(id);
                let change = begun.as_ref().filter(|_| may).map(|change| after(&known.content, change));
                assert_eq!(Some(&now), change.as_ref(), "{id}, before {:?}", known.content);
                elsewhere = line.last() != Some(id) || line.len() > 1 && elsewhere;
            }
            self.holds.insert(id.clone(), Held { content: now, elsewhere });
        }
        self.line = vec![line.pop().unwrap()];
        let collected = |id: &String, held: &mut Held| {
            let is = there.contains(id);
            assert!(is || held.elsewhere, "{id} is gone, and what it held: {:?}", held.content);
            is
        };
        let before = self.holds.len();
        self.holds.retain(collected);
        self.collected += before - self.holds.len();
        there
    }
}

fn after(before: &Content, change: &Begun) -> Content {
    let mut content = before.clone();
    match change {
        Begun::Put(version, ids) => content.extend(ids.iter().map(|id| (*id, *version))),
        Begun::Delete(ids) => content.retain(|id, _| !ids.contains(id)),
        Begun::Activate(_) => {}
    }
    content
}
