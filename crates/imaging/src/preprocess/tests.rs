//! Published spellings of the file, and the requests that must not pass in silence.

use super::keys::parse;
use super::*;

fn read(text: &str) -> Preprocess {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_the_three_spellings_of_a_size() {
    for text in [
        r#"{"size": 224}"#,
        r#"{"size": {"shortest_edge": 224}, "crop_size": 224, "resample": 3, "feature_extractor_type": "x"}"#,
        r#"{"size": 224, "crop_size": {"height": 224, "width": 224}, "resample": null, "do_convert_rgb": false}"#,
    ] {
        let read = read(text);
        assert_eq!((read.size, read.resize), (224, Resize::Short(224)), "{text}");
        assert_eq!((read.mean[0], read.std[2]), (0.481_454_66, 0.275_777_1), "CLIP's by default");
        assert_eq!(read.rescale, 1.0 / 255.0);
    }
    let own = read(r#"{"size": 8, "image_mean": 0.5, "image_std": [1, 2, 3]}"#);
    assert_eq!((own.mean, own.std), ([0.5; 3], [1.0, 2.0, 3.0]));
}

#[test]
fn follows_every_step() {
    let both = read(r#"{"size": {"height": 30, "width": 40}, "crop_size": 20}"#);
    assert_eq!((both.size, both.resize), (20, Resize::Exact { width: 40, height: 30 }));
    assert_eq!(
        read(r#"{"size": 30, "default_to_square": true}"#).resize,
        Resize::Exact { width: 30, height: 30 }
    );
    let larger = read(r#"{"size": {"shortest_edge": 256}, "crop_size": 224}"#);
    assert_eq!((larger.size, larger.resize), (224, Resize::Short(256)));
    let kept = read(r#"{"do_resize": false, "size": 224, "crop_size": 20}"#);
    assert_eq!((kept.size, kept.resize), (20, Resize::Keep));
    let whole = read(r#"{"size": {"height": 30, "width": 30}, "crop_size": 20, "do_center_crop": false}"#);
    assert_eq!((whole.size, whole.resize), (30, Resize::Exact { width: 30, height: 30 }));
    let raw = read(r#"{"size": 4, "do_rescale": false, "do_normalize": false, "image_std": [0, 0, 0]}"#);
    assert_eq!((raw.rescale, raw.mean, raw.std), (1.0, [0.0; 3], [1.0; 3]));
    assert_eq!(read(r#"{"size": 4, "rescale_factor": 0.0078125}"#).rescale, 1.0 / 128.0);
}

#[test]
fn refuses_what_it_would_not_do_and_names_the_key() {
    for (text, key) in [
        (r#"{}"#, "`size`"),
        (r#"{"size": 0}"#, "`size`"),
        (r#"{"size": 2.5}"#, "`size`"),
        (r#"{"size": 1e30}"#, "`size`"),
        (r#"{"size": {"longest_edge": 224}}"#, "`size`"),
        (r#"{"size": {"shortest_edge": 24, "longest_edge": 224}}"#, "`size`"),
        (r#"{"size": {"height": 224}}"#, "`size`"),
        (r#"{"size": [224, 224]}"#, "`size`"),
        (r#"{"size": {"height": 2, "width": 3}, "do_center_crop": false}"#, "`size`"),
        (r#"{"size": 224, "crop_size": {"height": 2, "width": 3}}"#, "`crop_size`"),
        (r#"{"size": 224, "crop_size": -1}"#, "`crop_size`"),
        (r#"{"do_resize": false}"#, "`crop_size`"),
        (r#"{"size": 224, "resample": 2}"#, "`resample`"),
        (r#"{"size": 224, "resample": "bicubic"}"#, "`resample`"),
        (r#"{"size": 224, "rescale_factor": 0}"#, "`rescale_factor`"),
        (r#"{"size": 224, "do_center_crop": false}"#, "`do_center_crop`"),
        (r#"{"size": 224, "do_resize": "no"}"#, "`do_resize`"),
        (r#"{"size": 224, "do_convert_rgb": 1}"#, "`do_convert_rgb`"),
        (r#"{"size": 224, "do_pad": true}"#, "`do_pad`"),
        (r#"{"size": 224, "data_format": "channels_last"}"#, "`data_format`"),
        (r#"{"size": 224, "image_std": [1, 0, 1]}"#, "`image_std`"),
        (r#"{"size": 224, "image_mean": [1, 0]}"#, "`image_mean`"),
        (r#"{"size": 224, "image_mean": "x"}"#, "`image_mean`"),
        (r#"[]"#, "map"),
        ("\u{0}", "expected value"),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(error.contains(key), "{text}: {error}");
    }
}

#[test]
fn names_the_file_that_is_missing() {
    let error = Preprocess::from_file(Path::new("/nowhere/preprocessor_config.json")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/preprocessor_config.json"), "{error}");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("preprocessor_config.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        let error = Preprocess::from_file(path).unwrap_err().to_string();
        assert!(error.contains(&*path.to_string_lossy()) && error.contains("no regular file"), "{error}");
    }
}
