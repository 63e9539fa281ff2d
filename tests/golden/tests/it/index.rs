//! The published embeddings, imported and searched, against the reference's own ranking.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use fondue_domain::Embedding;
use fondue_embed::import::{Args, run};
use fondue_golden::Golden;
use fondue_index::{Exclusions, Filter, Query, Root};
use fondue_model::fingerprint;

#[test]
fn imported_embeddings_are_ranked_as_by_the_reference() -> Result<()> {
    for golden in Golden::all()? {
        let (root, fromage) = (tempfile::tempdir()?, golden.folder.join("fromage"));
        let words: [PathBuf; 6] = [
            "import".into(),
            fromage.clone(),
            "--model".into(),
            golden.folder.clone(),
            "--index".into(),
            root.path().to_owned(),
        ];
        let report = run(&Args::try_parse_from(words)?)?;
        assert_eq!(report.left_out.total(), 0);
        let root = Root::open(root.path())?;
        let generation = root.generation(&root.active()?)?;
        generation.verify()?;
        assert_eq!(generation.fingerprint(), fingerprint::language(&golden.folder.join("opt"), &fromage)?);
        let vision = fingerprint::vision(&golden.folder.join("clip"))?;
        assert_eq!(generation.vision_fingerprint(), Some(vision.as_str()));

        let query = Embedding::normalized(golden.floats("prompt.query")?)?;
        let (filter, exclusions) = (Filter::default(), Exclusions::default());
        let asked = Query { vector: &query, k: 10, filter: &filter, exclusions: &exclusions };
        let hits = generation.search(&asked)?;
        let urls = hits.iter().map(|hit| Ok(generation.item(hit.row)?.url)).collect::<Result<Vec<_>>>()?;
        let expected = golden.integers("search.top10")?;
        let expected: Vec<_> = expected.iter().map(|i| format!("http://images.invalid/{i:04}.jpg")).collect();
        assert_eq!(urls, expected, "{}", golden.folder.display());
        golden.near("search.top10_cosine", &hits.iter().map(|hit| hit.score).collect::<Vec<_>>())?;
    }
    Ok(())
}
