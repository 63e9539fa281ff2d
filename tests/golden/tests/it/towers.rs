//! The vision tower and the mapping layers.

use anyhow::Result;
use fondue_golden::Golden;
use fondue_model::layers::values;

#[test]
fn pictures_become_the_expected_features_prefix_and_embedding() -> Result<()> {
    for golden in Golden::all()? {
        let pixels = golden.floats("pixels.crop")?;
        let mut features = Vec::new();
        for tower in golden.visions()? {
            let size = 3 * tower.image_size() * tower.image_size();
            let pictures: Vec<Vec<f32>> = pixels.chunks(size).map(<[f32]>::to_vec).collect();
            features = tower.encode(&pictures)?;
            golden.near("pooled", &features.concat())?;
        }

        for model in golden.languages()? {
            let rows = model.mapping().features(&features)?;
            golden.near("prefix", &values(&model.mapping().prefix(&rows)?)?)?;
            golden.near("image_query_space", &values(&model.mapping().image_to_retrieval(&rows)?)?)?;
        }
    }
    Ok(())
}

#[test]
fn a_picture_has_the_same_features_alone_and_among_others() -> Result<()> {
    for golden in Golden::all()? {
        let tower = golden.visions()?.remove(0);
        let pixels = golden.floats("pixels.crop")?;
        let size = 3 * tower.image_size() * tower.image_size();
        let mut alone = Vec::new();
        for picture in pixels.chunks(size) {
            alone.extend(tower.encode(&[picture.to_vec()])?.concat());
        }
        golden.near("pooled", &alone)?;
    }
    Ok(())
}
