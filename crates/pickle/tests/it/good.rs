//! Files as Python, NumPy and torch write them, against the values that `make_pickles.py` put there.

use fondue_pickle::{Archive, Dtype, Form, Kind, TensorView, View};

use crate::open;

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap())).collect()
}

fn at<'a>(archive: &'a Archive, path: &[&str]) -> View<'a> {
    path.iter().fold(archive.root(), |view, key| view.get(*key).unwrap())
}

fn tensor<'a>(archive: &'a Archive, path: &[&str]) -> TensorView<'a> {
    at(archive, path).as_tensor().unwrap()
}

#[test]
fn embeddings_are_the_same_in_every_protocol() {
    for protocol in 0..=5 {
        let archive = open(&format!("embeddings.{protocol}.pkl")).unwrap();
        assert_eq!(archive.form(), Form::Plain);
        let root = archive.root().as_dict().unwrap();
        let paths: Vec<_> = root.get("paths").unwrap().as_list().unwrap().iter().collect();
        assert_eq!(paths.len(), 5);
        assert_eq!(paths[1].as_str(), Some("https://example.org/1.jpg"));
        assert_eq!(paths[4].as_str(), Some("größe-雪.jpg"), "protocol {protocol}");

        let array = root.get("embeddings").unwrap().as_array().unwrap();
        assert_eq!(
            (array.dtype, array.shape.as_slice(), array.fortran),
            (Dtype::F32, [5, 4].as_slice(), false)
        );
        let expected: Vec<f32> = (0..20).map(|i| (i / 4) as f32 + (i % 4) as f32 / 4.0).collect();
        assert_eq!(f32s(&array.bytes), expected);

        let half = root.get("half").unwrap().as_list().unwrap();
        let last = half.get(4).unwrap().as_array().unwrap();
        assert_eq!((half.len(), last.dtype, last.shape.as_slice()), (5, Dtype::F16, [4].as_slice()));
        let expected: Vec<u8> = [0x4400u16, 0x4440, 0x4480, 0x44c0].map(u16::to_le_bytes).concat();
        assert_eq!(*last.bytes, expected);

        let double = root.get("double").unwrap().as_array().unwrap();
        assert_eq!((double.dtype, double.fortran), (Dtype::F64, true));
        let second = f64::from_le_bytes(double.bytes[8..16].try_into().unwrap());
        assert_eq!(second, 1.0, "the first index runs fastest");

        let counts = root.get("counts").unwrap().as_array().unwrap();
        assert_eq!(*counts.bytes, [1i64, -2, 200_000].map(i64::to_le_bytes).concat());
    }
}

#[test]
fn plain_values_are_the_same_in_every_protocol() {
    for protocol in 0..=5 {
        let archive = open(&format!("embeddings.{protocol}.pkl")).unwrap();
        let root = archive.root().as_dict().unwrap();
        let get = |key: &str| root.get(key).unwrap();
        assert_eq!(root.len(), root.iter().len());
        assert_eq!(get("bytes").as_bytes().unwrap()[..], [0, 127, 128, 255, 10]);
        assert_eq!(get("none").kind(), Kind::None);
        assert_eq!(get("yes").as_bool(), Some(true));
        assert_eq!(get("scalar").as_f64(), Some(0.25));
        assert_eq!(get("whole").as_i64(), Some(-7));
        let numbers: Vec<_> = get("numbers").as_list().unwrap().iter().collect();
        let ints: Vec<_> = numbers[..8].iter().map(View::as_i64).collect();
        assert_eq!(ints, [0, -1, 255, 256, 70_000, -70_000, 1 << 40, i64::MIN].map(Some));
        assert_eq!((numbers[8].kind(), numbers[8].as_i64()), (Kind::Int, None), "2**70");
        assert_eq!([&numbers[9], &numbers[10]].map(View::as_f64), [Some(1.5), Some(f64::INFINITY)]);
        let nested = get("nested").as_tuple().unwrap();
        let inner = nested.get(0).unwrap().get("a").unwrap().as_tuple().unwrap();
        assert_eq!(inner.iter().map(|view| view.as_i64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert!(nested.get(1).unwrap().as_list().unwrap().is_empty());
        assert!(nested.get(2).unwrap().as_tuple().unwrap().is_empty());
        assert!(nested.get(3).unwrap().as_dict().unwrap().is_empty());
        assert_eq!(root.get(3).unwrap().as_str(), Some("three"));
        assert!(root.get("absent").is_none() && root.get(4).is_none());
    }
}

#[test]
fn tensors_of_a_plain_pickle() {
    let archive = open("tensors.4.pkl").unwrap();
    assert_eq!(archive.form(), Form::Plain);
    let rows = at(&archive, &["rows"]).as_list().unwrap();
    let last = rows.get(2).unwrap().as_tensor().unwrap();
    assert_eq!((rows.len(), last.dtype, last.shape.as_slice()), (3, Dtype::BF16, [4].as_slice()));
    let expected: Vec<u8> = [0x4100u16, 0x4110, 0x4120, 0x4130].map(u16::to_le_bytes).concat();
    assert_eq!(last.contiguous().unwrap().to_vec(), expected);
    let whole = tensor(&archive, &["whole"]);
    assert_eq!((whole.shape.as_slice(), whole.is_contiguous()), ([4, 3].as_slice(), false));
    assert_eq!(f32s(&whole.contiguous().unwrap())[..4], [0.0, 4.0, 8.0, 1.0]);
    assert_eq!(tensor(&archive, &["large"]).len(), 300);
}

#[test]
fn numpy_before_version_2() {
    let archive = open("numpy1.3.pkl").unwrap();
    assert_eq!(f32s(&archive.root().as_array().unwrap().bytes)[5], 1.25);
}

#[test]
fn a_training_checkpoint() {
    for name in ["checkpoint.pth.tar", "checkpoint.4.bin"] {
        let archive = open(name).unwrap();
        assert_eq!(archive.form(), Form::Torch);
        assert_eq!(at(&archive, &["epoch"]).as_i64(), Some(3));
        let accuracy = tensor(&archive, &["best_acc1"]);
        assert_eq!((accuracy.shape.len(), f32s(&accuracy.contiguous().unwrap())), (0, vec![0.5]));
        let names: Vec<_> = at(&archive, &["state_dict"])
            .as_dict()
            .unwrap()
            .iter()
            .map(|(key, _)| key.as_str().unwrap())
            .collect();
        assert_eq!(names, ["module.0.weight", "module.0.bias", "module.1.weight", "module.1.bias"]);
        let group = at(&archive, &["optimizer", "param_groups"]).as_list().unwrap().get(0).unwrap();
        assert_eq!(group.get("lr").unwrap().as_f64(), Some(0.001));
        let state = at(&archive, &["optimizer", "state"]).get(0).unwrap();
        assert_eq!(state.get("exp_avg").unwrap().as_tensor().unwrap().shape, [2, 3]);
        let parameter = tensor(&archive, &["parameter"]);
        assert_eq!(f32s(&parameter.contiguous().unwrap()), [1.0, 2.0]);
        let tied = at(&archive, &["tied"]).as_list().unwrap();
        let [a, b] = [0, 1].map(|place| tied.get(place).unwrap().as_tensor().unwrap());
        assert_eq!(a.bytes.as_ptr(), b.bytes.as_ptr());
    }
}

#[test]
fn views_of_a_shared_storage() {
    let archive = open("checkpoint.pth.tar").unwrap();
    let view = |name| tensor(&archive, &["views", name]);
    let values = |name| f32s(&view(name).contiguous().unwrap());
    let base: Vec<f32> = (0..24).map(|i| i as f32).collect();
    assert_eq!(values("whole"), base);
    assert_eq!((view("matrix").shape, values("matrix")), (vec![4, 6], base.clone()));
    let transposed: Vec<f32> = (0..24).map(|i| (i % 4 * 6 + i / 4) as f32).collect();
    assert!(!view("transposed").is_contiguous());
    assert_eq!(values("transposed"), transposed);
    assert_eq!(values("row"), base[12..18]);
    assert_eq!(values("column"), [1.0, 7.0, 13.0, 19.0]);
    assert_eq!(values("steps"), [1.0, 6.0, 11.0, 16.0, 21.0]);
    assert_eq!((view("expanded").len(), view("expanded").contiguous()), (1_000_000, None));
    assert!(values("empty").is_empty());
}

#[test]
fn every_element_type() {
    let archive = open("checkpoint.pth.tar").unwrap();
    let f = |convert: fn(f32) -> Vec<u8>| (0..4).flat_map(|i| convert(i as f32)).collect::<Vec<u8>>();
    let i = |size: usize| (0..4u64).flat_map(|i| i.to_le_bytes()[..size].to_vec()).collect::<Vec<u8>>();
    let half = [0u16, 0x3c00, 0x4000, 0x4200].map(u16::to_le_bytes).concat();
    let brain = f(|x| x.to_le_bytes()[2..].to_vec());
    let expected = [
        ("float32", Dtype::F32, f(|x| x.to_le_bytes().to_vec())),
        ("float16", Dtype::F16, half),
        ("bfloat16", Dtype::BF16, brain),
        ("float64", Dtype::F64, f(|x| f64::from(x).to_le_bytes().to_vec())),
        ("int64", Dtype::I64, i(8)),
        ("int32", Dtype::I32, i(4)),
        ("int16", Dtype::I16, i(2)),
        ("int8", Dtype::I8, i(1)),
        ("uint8", Dtype::U8, i(1)),
        ("bool", Dtype::Bool, vec![0, 1, 1, 1]),
    ];
    for (name, dtype, bytes) in expected {
        let tensor = tensor(&archive, &["types", name]);
        assert_eq!((tensor.dtype, tensor.contiguous().unwrap().to_vec()), (dtype, bytes), "{name}");
    }
}

#[test]
fn a_zip_by_another_writer() {
    let archive = open("plain_zip.bin").unwrap();
    let tensor = tensor(&archive, &["a"]);
    assert_eq!((tensor.dtype, tensor.shape.as_slice()), (Dtype::I64, [2, 3].as_slice()));
}

#[test]
fn python_2_wrote_its_own_strings() {
    let archive = crate::read(*b"(dp1\nS'a\\x41\\n'\np2\nI5\nsS\"it's\"\n(lp3\nI01\nas.").unwrap();
    assert_eq!(archive.root().get("aA\n").unwrap().as_i64(), Some(5));
    let list = archive.root().get("it's").unwrap().as_list().unwrap();
    assert_eq!(list.get(0).unwrap().as_bool(), Some(true));
    let archive = crate::read(*b"\x80\x02U\x03\xff\x00aq\x01.").unwrap();
    assert_eq!(archive.root().as_bytes().unwrap()[..], [255, 0, b'a']);
    assert_eq!(archive.root().as_str(), None);
}

#[test]
fn released_bytes_can_be_read_again() {
    let archive = open("checkpoint.pth.tar").unwrap();
    let whole = tensor(&archive, &["views", "whole"]);
    let before = whole.bytes.to_vec();
    archive.release(whole.bytes);
    archive.release(&before); // no part of the file
    archive.release_all();
    assert_eq!(whole.bytes, before);
}
