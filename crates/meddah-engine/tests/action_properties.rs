//! What holds for the gate, whatever a game declares and a model proposes.

use meddah_engine::action::{ActionSet, TARGET, arguments_schema, fill, normalise};
use meddah_protocol::ActionDeclaration;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const WORDS: &[&str] =
    &["ale", "bread", "rusty_key", "gold_key", "cellar", "north", "x", "Ale", "the cellar"];

#[derive(Clone, Debug)]
enum Kind {
    OneOf(Vec<String>),
    Whole(i64, i64),
    Text(usize),
    Truth,
    List(Vec<String>),
}

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    kind: Kind,
    required: bool,
}

#[derive(Clone, Debug)]
struct Action {
    parameters: Vec<Parameter>,
    targets: Option<Vec<String>>,
    closed: bool,
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(WORDS).prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(WORDS, 1..5).prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => words().prop_map(Kind::OneOf),
        2 => (-5i64..5, 0i64..10).prop_map(|(least, more)| Kind::Whole(least, least + more)),
        1 => (0usize..12).prop_map(Kind::Text),
        1 => Just(Kind::Truth),
        1 => words().prop_map(Kind::List),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let parameter = (prop::sample::select(vec!["item", "count", "door", "note"]), kind(), any::<bool>())
        .prop_map(|(name, kind, required)| Parameter { name: name.to_owned(), kind, required });
    let targets = prop::option::of(prop::sample::subsequence(vec!["ana", "tom", "eve"], 0..3));
    (prop::collection::vec(parameter, 0..4), targets, any::<bool>()).prop_map(
        |(mut parameters, targets, closed)| {
            parameters.sort_by(|left, right| left.name.cmp(&right.name));
            parameters.dedup_by(|left, right| left.name == right.name);
            let targets = targets.map(|targets| targets.into_iter().map(str::to_owned).collect());
            Action { parameters, targets, closed }
        },
    )
}

impl Kind {
    fn schema(&self) -> Value {
        match self {
            Kind::OneOf(options) => json!({ "type": "string", "enum": options }),
            Kind::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Text(most) => json!({ "type": "string", "maxLength": most }),
            Kind::Truth => json!({ "type": "boolean" }),
            Kind::List(options) => json!({ "type": "array", "items": { "enum": options }, "maxItems": 3 }),
        }
    }

    /// The meaning of the schema, written out by hand.
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::OneOf(options), Value::String(text)) => options.contains(text),
            (Kind::Whole(least, most), Value::Number(number)) => {
                number.as_f64().is_some_and(|n| n.fract() == 0.0 && *least as f64 <= n && n <= *most as f64)
            }
            (Kind::Text(most), Value::String(text)) => text.chars().count() <= *most,
            (Kind::Truth, Value::Bool(_)) => true,
            (Kind::List(options), Value::Array(list)) => {
                let listed =
                    |value: &Value| value.as_str().is_some_and(|text| options.iter().any(|o| o == text));
                list.len() <= 3 && list.iter().all(listed)
            }
            _ => false,
        }
    }

    fn good(&self) -> BoxedStrategy<Value> {
        match self.clone() {
            Kind::OneOf(options) => prop::sample::select(options).prop_map(Value::from).boxed(),
            Kind::Whole(least, most) => (least..=most).prop_map(Value::from).boxed(),
            Kind::Text(most) => prop::collection::vec(any::<char>(), 0..=most)
                .prop_map(|chars| Value::from(chars.into_iter().collect::<String>()))
                .boxed(),
            Kind::Truth => any::<bool>().prop_map(Value::from).boxed(),
            Kind::List(options) => {
                prop::collection::vec(prop::sample::select(options), 0..=3).prop_map(Value::from).boxed()
            }
        }
    }
}

fn junk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9i64..9).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["ana", "tom", "eve", "bob", " Ana ", "3", "true"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

impl Action {
    fn declaration(&self) -> ActionDeclaration {
        let properties: Map<String, Value> = self
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.kind.schema()))
            .collect();
        let required: Vec<&str> =
            self.parameters.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        let mut schema = json!({ "type": "object", "properties": properties, "required": required });
        if self.closed {
            schema["additionalProperties"] = json!(false);
        }
        ActionDeclaration {
            name: "act".into(),
            description: String::new(),
            parameters: (!self.parameters.is_empty()).then_some(schema),
            targets: self.targets.clone(),
            needs_result: false,
        }
    }

    /// Arguments that are right.
    fn good(&self) -> BoxedStrategy<Map<String, Value>> {
        let mut all: BoxedStrategy<Map<String, Value>> = Just(Map::new()).boxed();
        for parameter in self.parameters.clone() {
            let value = parameter.kind.good();
            let value = if parameter.required {
                value.prop_map(Some).boxed()
            } else {
                prop::option::of(value).boxed()
            };
            all = (all, value)
                .prop_map(move |(mut map, value)| {
                    map.extend(value.map(|value| (parameter.name.clone(), value)));
                    map
                })
                .boxed();
        }
        match self.targets.clone() {
            Some(targets) if !targets.is_empty() => (all, prop::sample::select(targets))
                .prop_map(|(mut map, target)| {
                    map.insert(TARGET.into(), target.into());
                    map
                })
                .boxed(),
            _ => all,
        }
    }

    /// Arguments that may have something wrong with them.
    fn mutated(&self) -> BoxedStrategy<Value> {
        let key =
            prop::sample::select(vec!["item", "count", "door", "note", "target", "Item", "other", "args"]);
        let changes = prop::collection::vec((key, prop::option::of(junk())), 0..4);
        let mutated = (self.good(), changes).prop_map(|(mut map, changes)| {
            for (key, change) in changes {
                match change {
                    Some(value) => map.insert(key.to_owned(), value),
                    None => map.shift_remove(key),
                };
            }
            Value::Object(map)
        });
        prop_oneof![6 => mutated, 1 => junk()].boxed()
    }

    fn holds(&self, arguments: &Map<String, Value>) -> bool {
        let declared = |key: &String| self.parameters.iter().any(|parameter| parameter.name == *key);
        arguments.keys().all(declared)
            && self.parameters.iter().all(|parameter| match arguments.get(&parameter.name) {
                Some(value) => parameter.kind.holds(value),
                None => !parameter.required,
            })
    }
}

fn action_with_arguments() -> impl Strategy<Value = (Action, Value)> {
    action().prop_flat_map(|action| {
        let arguments = action.mutated();
        (Just(action), arguments)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_admitted_is_valid((action, arguments) in action_with_arguments(), call in "act|other|Act|") {
        let declaration = action.declaration();
        let set = ActionSet::new(vec![declaration.clone()]).unwrap();
        for arguments in [Some(arguments.clone()), Some(normalise(&declaration, arguments)), None] {
            let Ok(admitted) = set.admit(&call, arguments) else { continue };
            prop_assert_eq!(&admitted.name, "act");
            prop_assert!(action.holds(&admitted.arguments), "{admitted:?}");
            let schema = declaration.parameters.clone().unwrap_or(json!({ "additionalProperties": false }));
            prop_assert!(jsonschema::is_valid(&schema, &Value::Object(admitted.arguments.clone())));
            match (&action.targets, &admitted.target) {
                (Some(listed), Some(target)) => prop_assert!(listed.contains(target)),
                (None, None) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_right_is_admitted_and_stays_as_it_is(
        (action, arguments) in action().prop_flat_map(|action| { let good = action.good(); (Just(action), good) }),
    ) {
        // Without a target to choose there is no right call.
        if action.targets.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let declaration = action.declaration();
        let set = ActionSet::new(vec![declaration.clone()]).unwrap();
        let arguments = Value::Object(arguments);
        let admitted = set.admit("act", Some(arguments.clone()));
        prop_assert!(admitted.is_ok(), "{admitted:?}");
        let normalised = normalise(&declaration, arguments.clone());
        let again = set.admit("act", Some(normalised.clone()));
        prop_assert!(again.is_ok(), "{normalised}: {again:?}");
        prop_assert_eq!(normalise(&declaration, normalised.clone()), normalised);
        // The schema that the model fills in asks for nothing that the gate would refuse, or for nothing.
        match arguments_schema(&declaration) {
            None => prop_assert!(set.admit("act", fill(&declaration)).is_ok()),
            Some(schema) => prop_assert!(jsonschema::is_valid(&schema, &arguments), "{schema} {arguments}"),
        }
    }
}
