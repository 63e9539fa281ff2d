//! What killed builders leave, and what living ones keep.

use fondue_domain::Embedding;

use super::*;
use crate::{Root, manifest::VECTORS};

fn item() -> NewItem {
    let item = Item {
        id: "a".to_owned(),
        caption: String::new(),
        group: String::new(),
        media_type: String::new(),
        ..Item::default()
    };
    NewItem { item, picture: None, sha256: [0; 32] }
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(GENERATIONS)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_killed_builders_left_goes_and_living_ones_stay() {
    let root = tempfile::tempdir().unwrap();
    let mut living = Builder::new(root.path(), 2, "model").unwrap();
    let generations = root.path().join(GENERATIONS);
    for (dead, with_lock) in [(".building-dead", true), (".building-early", false)] {
        let folder = generations.join(dead).join("new");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(VECTORS), "half").unwrap();
        if with_lock {
            fs::write(generations.join(dead).join("lock"), "").unwrap();
        }
    }
    fs::create_dir(generations.join("other")).unwrap();
    let second = Builder::new(root.path(), 2, "model").unwrap();
    let names_now = names(root.path());
    assert_eq!(names_now.len(), 3, "two that live, and what is not a builder's: {names_now:?}");
    assert!(!names_now.iter().any(|name| name == ".building-dead" || name == ".building-early"));

    living.add(item(), &Embedding::normalized(vec![1.0, 0.0]).unwrap()).unwrap();
    let id = living.publish().unwrap();
    drop(second);
    assert_eq!(Root::open(root.path()).unwrap().generations().unwrap(), [id]);
    assert_eq!(names(root.path()).len(), 2, "nothing of either builder is left");
}
