//! Generated pickles: opcodes in any order end in a value or an error; values written by our own small writer are
//! read as they were.

use fondue_pickle::{Kind, View};
use proptest::prelude::*;

use crate::{damaged::touch, read};

/// An opcode with operands that mostly fit.
fn opcode() -> impl Strategy<Value = Vec<u8>> {
    let fixed =
        prop::sample::select(b"(.012NQR)]}abdelstu\x81\x85\x86\x87\x88\x89\x93\x94\x8f\x90\x91o".to_vec());
    let globals = prop::sample::select(vec![
        "c_codecs\nencode\n",
        "cnumpy\nndarray\n",
        "cnumpy\ndtype\n",
        "cnumpy.core.multiarray\n_reconstruct\n",
        "cnumpy.core.multiarray\nscalar\n",
        "cnumpy._core.numeric\n_frombuffer\n",
        "ccollections\nOrderedDict\n",
        "ctorch._utils\n_rebuild_tensor_v2\n",
        "ctorch\nFloatStorage\n",
        "Vlatin1\n",
        "S'f4'\n",
        "V<\n",
        "VC\n",
    ]);
    prop_oneof![
        8 => fixed.prop_map(|byte| vec![byte]),
        2 => globals.prop_map(|text| text.as_bytes().to_vec()),
        2 => (0u8..8).prop_map(|n| vec![b'K', n]),
        2 => (0u8..8).prop_map(|n| vec![b'q', n]),
        2 => (0u8..8).prop_map(|n| vec![b'h', n]),
        1 => any::<i32>().prop_map(|n| [b"J".as_slice(), &n.to_le_bytes()].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(|data| [&[b'C', data.len() as u8], &*data].concat()),
        1 => "[a-ÿ]{0,4}".prop_map(|text| [&[0x8c, text.len() as u8], text.as_bytes()].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

/// A value, and how it is written.
#[derive(Clone, Debug)]
enum Value {
    None,
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(String, Value)>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<i64>().prop_map(Value::Int),
        (0i64..300).prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        ".{0,8}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            many.clone().prop_map(Value::List),
            many.prop_map(Value::Tuple),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..6).prop_map(Value::Dict),
        ]
    })
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Int(number) => out.extend([&[0x8a, 8], number.to_le_bytes().as_slice()].concat()),
        Value::Float(number) => out.extend([b"G".as_slice(), &number.to_be_bytes()].concat()),
        Value::Text(text) => write_text(text, out),
        Value::List(items) => {
            out.push(b']');
            // By turns one by one and together, so that containers grow in pieces.
            for pair in items.chunks(2) {
                out.push(b'(');
                pair.iter().for_each(|item| write(item, out));
                out.push(b'e');
            }
        }
        Value::Tuple(items) => {
            out.push(b'(');
            items.iter().for_each(|item| write(item, out));
            out.push(b't');
        }
        Value::Dict(pairs) => {
            out.push(b'}');
            for (key, value) in pairs {
                write_text(key, out);
                write(value, out);
                out.push(b's');
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn same(value: &Value, view: View<'_>) -> bool {
    let all = |items: &[Value], views: fondue_pickle::Items<'_>| {
        items.len() == views.len() && items.iter().zip(views.iter()).all(|(item, view)| same(item, view))
    };
    match value {
        Value::None => view.kind() == Kind::None,
        Value::Int(number) => view.as_i64() == Some(*number),
        Value::Float(number) => view.as_f64().map(f64::to_bits) == Some(number.to_bits()),
        Value::Text(text) => view.as_str() == Some(text),
        Value::List(items) => view.as_list().is_some_and(|views| all(items, views)),
        Value::Tuple(items) => view.as_tuple().is_some_and(|views| all(items, views)),
        Value::Dict(pairs) => {
            // As Python: the first place, the last value.
            let mut united: Vec<(&str, &Value)> = Vec::new();
            for (key, value) in pairs {
                match united.iter_mut().find(|(known, _)| known == key) {
                    Some(pair) => pair.1 = value,
                    None => united.push((key, value)),
                }
            }
            let Some(dict) = view.as_dict() else { return false };
            dict.len() == united.len()
                && dict.iter().zip(&united).all(|((key, found), (name, value))| {
                    key.as_str() == Some(name)
                        && same(value, found)
                        && dict.get(*name).is_some_and(|found| same(value, found))
                })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn opcodes_in_any_order(opcodes in prop::collection::vec(opcode(), 0..60)) {
        let mut bytes = opcodes.concat();
        bytes.push(b'.');
        if let Ok(archive) = read(bytes) {
            touch(&archive);
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(archive) = read(bytes) {
            touch(&archive);
        }
    }

    #[test]
    fn values_are_read_as_written(value in value()) {
        let mut bytes = b"\x80\x02".to_vec();
        write(&value, &mut bytes);
        bytes.push(b'.');
        let archive = read(bytes).unwrap();
        prop_assert!(same(&value, archive.root()), "{:?}", value);
    }
}
