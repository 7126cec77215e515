//! Makes the matrix that shortens the vectors of tokens (`crates/meddah-embedding/src/projection.f32`): the
//! principal axes, without centring, of the token vectors of texts of our own. No labels are in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use meddah_embedding::{Encoder, TOKEN_DIMENSIONS, WHOLE_DIMENSIONS};
use nalgebra::{DMatrix, SymmetricEigen};

/// Shorter lines are headings and brackets.
const LINE_WORDS_MIN: usize = 4;
/// Files of these kinds are read.
const SUFFIXES: [&str; 3] = ["md", "toml", "txt"];
/// Every one of so many lines is kept out, to measure on.
const HELD_OUT_EACH: usize = 10;

/// `fit-projection MODEL.onnx OUT.f32 [TEXT…]`: fits on the texts (files or folders).
pub fn run(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = |what| arguments.next().with_context(|| format!("{what} is missing"));
    let (model, out) = (PathBuf::from(next("MODEL.onnx")?), PathBuf::from(next("OUT.f32")?));
    let mut lines = BTreeSet::new();
    for text in arguments {
        read(Path::new(&text), &mut lines)?;
    }
    ensure!(lines.len() >= 100, "there are only {} lines of text", lines.len());
    let encoder = Encoder::open(&model)?;
    let (mut kept, mut held_out) = (Vec::new(), Vec::new());
    for (number, line) in lines.iter().enumerate() {
        let states = encoder.states(line)?.pieces.into_iter().map(|piece| piece.state);
        if number % HELD_OUT_EACH == 0 { held_out.extend(states) } else { kept.extend(states) }
    }
    let axes = principal_axes(&kept);
    println!("{} lines, {} tokens; {} more tokens to measure on", lines.len(), kept.len(), held_out.len());
    println!(
        "kept of the squared length: {:.3} of all, {:.3} of those",
        energy(&axes, &kept),
        energy(&axes, &held_out)
    );
    println!("nearest token is the same: {:.3}", same_nearest(&axes, &held_out));
    let bytes: Vec<u8> = axes.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(&out, bytes).with_context(|| format!("cannot write {}", out.display()))
}

/// Sentences and paragraphs of a file, or of all files below a folder.
fn read(path: &Path, lines: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let context = || format!("cannot read {}", path.display());
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(context)? {
            read(&entry?.path(), lines)?;
        }
    } else if path.extension().is_some_and(|suffix| SUFFIXES.iter().any(|known| suffix == *known)) {
        let text = std::fs::read_to_string(path).with_context(context)?;
        let long = |line: &&str| line.split_whitespace().count() >= LINE_WORDS_MIN;
        lines.extend(text.lines().map(str::trim).filter(long).map(str::to_owned));
    }
    Ok(())
}

/// The axes along which the vectors are longest, the longest first; each points to where its largest number is
/// positive, so that the same texts give the same file.
fn principal_axes(vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut products = DMatrix::<f64>::zeros(WHOLE_DIMENSIONS, WHOLE_DIMENSIONS);
    for vector in vectors {
        let column =
            DMatrix::from_iterator(WHOLE_DIMENSIONS, 1, vector.iter().map(|number| f64::from(*number)));
        products.ger(1.0, &column.column(0), &column.column(0), 1.0);
    }
    let eigen = SymmetricEigen::new(products);
    let mut order: Vec<usize> = (0..WHOLE_DIMENSIONS).collect();
    order.sort_by(|left, right| eigen.eigenvalues[*right].total_cmp(&eigen.eigenvalues[*left]));
    let axis = |place: &usize| {
        let column = eigen.eigenvectors.column(*place);
        let sign = column[column.iamax()].signum();
        column.iter().map(|number| (number * sign) as f32).collect()
    };
    order.iter().take(TOKEN_DIMENSIONS).map(axis).collect()
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn project(axes: &[Vec<f32>], vector: &[f32]) -> Vec<f32> {
    let shorter: Vec<f32> = axes.iter().map(|axis| dot(axis, vector)).collect();
    let length = dot(&shorter, &shorter).sqrt().max(f32::MIN_POSITIVE);
    shorter.into_iter().map(|number| number / length).collect()
}

/// The share of the squared length that the axes keep; the vectors have length 1.
fn energy(axes: &[Vec<f32>], vectors: &[Vec<f32>]) -> f32 {
    let kept = |vector: &Vec<f32>| axes.iter().map(|axis| dot(axis, vector).powi(2)).sum::<f32>();
    vectors.iter().map(kept).sum::<f32>() / vectors.len().max(1) as f32
}

/// For how many of these the nearest other one is the same after the projection.
fn same_nearest(axes: &[Vec<f32>], vectors: &[Vec<f32>]) -> f32 {
    let shorter: Vec<Vec<f32>> = vectors.iter().map(|vector| project(axes, vector)).collect();
    let nearest = |all: &[Vec<f32>], one: usize| {
        (0..all.len())
            .filter(|other| *other != one)
            .max_by(|left, right| dot(&all[one], &all[*left]).total_cmp(&dot(&all[one], &all[*right])))
    };
    let same = (0..vectors.len()).filter(|one| nearest(vectors, *one) == nearest(&shorter, *one)).count();
    same as f32 / vectors.len().max(1) as f32
}
