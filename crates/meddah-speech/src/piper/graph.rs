//! The places in a voice's graph that streaming needs: where the lengths of sounds are known, and where the sound is
//! still small.
//!
//! A Piper voice is exported for one run from signs to samples. The runtime can stop at any value and go on from
//! it, so the same file gives lengths first and then sound piece by piece. Names in the graph depend on the
//! export; the kinds of the nodes do not: lengths are rounded up by the only `Ceil`, and the decoder begins with the
//! first convolution of what flows into all the transposed ones.

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto};

/// Names of values in the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Frames per sign.
    pub lengths: Option<String>,
    /// What the decoder makes sound of: `[1, channels, frames]`.
    pub latent: Option<String>,
    /// Samples that the decoder makes of one frame.
    pub frame_samples: usize,
}

/// Finds them. What is not found is left out, and the voice is then run in one go.
pub fn places(model: &[u8]) -> Places {
    let Some(graph) = ModelProto::parse_buf(model).ok().and_then(|model| model.graph) else {
        return Places::default();
    };
    Places { lengths: lengths(&graph), latent: latent(&graph), frame_samples: frame_samples(&graph) }
}

/// Each transposed convolution makes as many samples of one as its stride says.
fn frame_samples(graph: &GraphProto) -> usize {
    let strides = graph.node.iter().filter(|node| is(node, "ConvTranspose")).map(|node| {
        let strides = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("strides"));
        strides.and_then(|strides| usize::try_from(*strides.ints.first()?).ok()).unwrap_or(1)
    });
    strides.fold(1, usize::saturating_mul)
}

fn lengths(graph: &GraphProto) -> Option<String> {
    let mut ceils = graph.node.iter().filter(|node| is(node, "Ceil"));
    let only = ceils.next().filter(|_| ceils.next().is_none())?;
    only.output.first().cloned()
}

/// Walks up from the first transposed convolution to the convolution before it.
fn latent(graph: &GraphProto) -> Option<String> {
    let first = graph.node.iter().find(|node| is(node, "ConvTranspose"))?;
    let mut value = first.input.first()?;
    for _ in 0..STEPS_MAX {
        let node = graph.node.iter().find(|node| node.output.contains(value))?;
        value = node.input.first()?;
        if is(node, "Conv") {
            return Some(value.clone());
        }
    }
    None
}

/// Between the two convolutions are an activation and, with several speakers, a sum.
const STEPS_MAX: usize = 6;

fn is(node: &NodeProto, kind: &str) -> bool {
    node.op_type.as_deref() == Some(kind)
}

#[cfg(test)]
mod tests {
    use rten_onnx::onnx::AttributeProto;

    use super::*;

    fn node(kind: &str, input: &str, output: &str) -> NodeProto {
        NodeProto {
            op_type: Some(kind.into()),
            input: vec![input.into(), "weights".into()],
            output: vec![output.into()],
            ..Default::default()
        }
    }

    fn found(nodes: Vec<NodeProto>) -> Places {
        let graph = GraphProto { node: nodes, ..Default::default() };
        let model = ModelProto { graph: Some(graph), ..Default::default() };
        places(&model.write_buf().unwrap())
    }

    #[test]
    fn they_are_found_whatever_they_are_called() {
        let mut up = node("ConvTranspose", "active", "up");
        up.attribute.push(AttributeProto {
            name: Some("strides".into()),
            ints: vec![8],
            ..Default::default()
        });
        let mut up_again = up.clone();
        up_again.input[0] = "up".into();
        let places = found(vec![
            node("Ceil", "w", "frames"),
            node("Mul", "z", "latent"),
            node("Conv", "latent", "pre"),
            node("LeakyRelu", "pre", "active"),
            up,
            up_again,
        ]);
        let (lengths, latent) = (Some("frames".into()), Some("latent".into()));
        assert_eq!(places, Places { lengths, latent, frame_samples: 64 });
    }

    #[test]
    fn another_graph_has_none() {
        let nothing = Places { frame_samples: 1, ..Places::default() };
        assert_eq!(found(vec![node("Ceil", "a", "b"), node("Ceil", "b", "c")]), nothing);
        assert_eq!(found(vec![node("ConvTranspose", "a", "b")]), nothing);
        assert_eq!(places(b"not a model"), Places::default());
    }
}
