//! GPTQ weights are taken over bit by bit where the layout allows it, and measured where it does not.

use meddah_llama::checkpoint::{Fate, Quantize};

use super::maker::{Case, MATRICES, Made, Order, Raw, random_matrix, turned};

const Q4_0: u32 = 2;
const Q5_0: u32 = 6;
const Q8_0: u32 = 8;

/// Imports a random checkpoint; every weight has to be the same 32 bits as `scale * (q - zero)`.
fn check_exact(case: Case, kind: u32) {
    let made = Made::gptq(case);
    let (file, report) = made.import(Quantize::Q8_0).unwrap();
    for (name, matrix, heads) in &made.matrices {
        let stored = &file.tensors[name];
        assert_eq!(stored.shape, [matrix.columns as u64, matrix.rows as u64], "{case:?} {name}");
        assert_eq!(stored.kind, kind, "{case:?} {name}");
        let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let expected = turned(&matrix.weights(), matrix.rows, *heads);
        assert!(bits(stored.dequantised()) == bits(expected), "{case:?} {name} differs");
        let told = report.tensors.iter().find(|tensor| tensor.name == *name).unwrap();
        assert_eq!(told.fate, Fate::Exact, "{case:?} {name}");
    }
}

#[test]
fn whole_groups_are_exact() {
    for group in [Some(32), Some(64), Some(96), Some(128), None] {
        for order in [Order::Plain, Order::Blocks] {
            for offset in [0, 1] {
                let case = |bits, symmetric| Case { bits, symmetric, group, order, offset };
                check_exact(case(4, true), Q4_0);
                check_exact(case(4, false), Q5_0);
                check_exact(case(2, true), Q4_0);
                check_exact(case(2, false), Q4_0);
                check_exact(case(3, true), Q4_0);
                check_exact(case(3, false), Q4_0);
                check_exact(case(8, true), Q8_0);
            }
        }
    }
}

#[test]
fn scattered_groups_are_measured() {
    for bits in [2, 3, 4, 8] {
        let case = Case { bits, symmetric: false, group: Some(32), order: Order::Scattered, offset: 1 };
        let made = Made::gptq(case);
        let (file, report) = made.import(Quantize::Q8_0).unwrap();
        for (name, matrix, heads) in &made.matrices {
            let stored = &file.tensors[name];
            assert_eq!(stored.kind, Q8_0, "{case:?} {name}");
            let told = report.tensors.iter().find(|tensor| tensor.name == *name).unwrap();
            let Fate::Rounded(change) = &told.fate else { panic!("{case:?} {:?}", told.fate) };
            let expected = turned(&matrix.weights(), matrix.rows, *heads);
            let (mut error, mut size) = (0_f64, 0_f64);
            for (stored, expected) in stored.dequantised().iter().zip(&expected) {
                error += f64::from(stored - expected).powi(2);
                size += f64::from(*expected).powi(2);
            }
            let measured = (error / size).sqrt();
            assert!((change.relative_rms() - measured).abs() < 1e-6 * measured, "{change:?} {measured}");
            assert!(measured > 0.0 && measured < 0.01, "{measured}");
            assert!(change.worst_steps > 0.0 && change.reason.unwrap().contains("act-order"), "{change:?}");
        }
        assert!(report.lines().iter().any(|line| line.starts_with("NOT exact")), "{:?}", report.lines());
    }
}

#[test]
fn eight_bits_without_symmetry_are_exact_where_they_fit() {
    let case = Case { bits: 8, symmetric: false, group: Some(32), order: Order::Plain, offset: 1 };
    let mut made = Made::gptq(case);
    let mut random = fastrand::Rng::with_seed(3);
    // Zeros near the middle and no extreme numbers, but for one in a single matrix.
    for (i, (name, _, rows, columns, _)) in MATRICES.into_iter().enumerate() {
        let base = format!("model.layers.0.{name}");
        let mut matrix = random_matrix(case, rows, columns, &mut random);
        matrix.zeros.iter_mut().for_each(|zero| *zero = 127 + *zero % 3);
        matrix.q.iter_mut().for_each(|q| *q = 10 + *q % 230);
        if name == "mlp.up_proj" {
            (matrix.zeros[0], matrix.q[0]) = (127, 255);
        }
        made.tensors.retain(|tensor| !tensor.name.starts_with(&base));
        made.tensors.extend(matrix.tensors(&base, 1));
        made.matrices[i].1 = matrix;
    }
    let (file, report) = made.import(Quantize::Q8_0).unwrap();
    for (name, matrix, heads) in &made.matrices {
        let expected = turned(&matrix.weights(), matrix.rows, *heads);
        let stored = file.tensors[name].dequantised();
        let moved = stored.iter().zip(&expected).filter(|(stored, expected)| stored != expected).count();
        let told = report.tensors.iter().find(|tensor| tensor.name == *name).unwrap();
        if name == "blk.0.ffn_up.weight" {
            assert!((1..=32).contains(&moved), "{moved} weights moved, of one block");
            assert!(matches!(told.fate, Fate::Rounded(_)), "{told:?}");
        } else {
            assert_eq!((moved, &told.fate), (0, &Fate::Exact), "{name}");
        }
    }
}

#[test]
fn scales_that_are_no_half_floats_are_told() {
    let case = Case { bits: 4, symmetric: true, group: Some(32), order: Order::Plain, offset: 1 };
    let mut made = Made::gptq(case);
    for tensor in made.tensors.iter_mut().filter(|tensor| tensor.name.ends_with(".scales")) {
        let count = tensor.bytes.len() / 2;
        let numbers: Vec<f32> = (0..count).map(|i| 0.01 + 1e-7 * i as f32).collect();
        let shape = tensor.shape.clone();
        *tensor = Raw::f32(&tensor.name, &shape, &numbers);
    }
    let (file, report) = made.import(Quantize::Q8_0).unwrap();
    let told = report.tensors.iter().find(|tensor| tensor.name == "blk.0.ffn_up.weight").unwrap();
    let Fate::Rounded(change) = &told.fate else { panic!("{:?}", told.fate) };
    assert_eq!(file.tensors["blk.0.ffn_up.weight"].kind, Q4_0);
    assert!(change.relative_rms() > 0.0 && change.relative_rms() < 1e-3, "{change:?}");
}

#[test]
fn a_missing_group_index_means_groups_in_order() {
    let case = Case { bits: 4, symmetric: true, group: Some(64), order: Order::Plain, offset: 1 };
    let with = Made::gptq(case).import(Quantize::Q8_0).unwrap().0;
    let mut made = Made::gptq(case);
    made.tensors.retain(|tensor| !tensor.name.ends_with(".g_idx"));
    let without = made.import(Quantize::Q8_0).unwrap().0;
    assert!(with.tensors == without.tensors);
}

#[test]
fn settings_may_be_in_a_file_of_their_own() {
    let case = Case { bits: 4, symmetric: true, group: Some(64), order: Order::Plain, offset: 1 };
    let mut made = Made::gptq(case);
    let settings = made.config["quantization_config"].take();
    made.config.as_object_mut().unwrap().remove("quantization_config");
    // Files of this name are older than the method's name in them.
    let old = serde_json::json!({"bits": settings["bits"], "group_size": 64, "desc_act": false, "sym": true});
    made.write_json("quantize_config.json", &old);
    let (file, _) = made.import(Quantize::Q8_0).unwrap();
    assert_eq!(file.tensors["blk.0.attn_q.weight"].kind, Q4_0);
}
