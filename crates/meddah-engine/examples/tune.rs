use meddah_engine::emotion::{EmotionLabel, appraise::Appraisal};
fn main() {
    let t: toml::Table = std::fs::read_to_string("evals/emotion.toml").unwrap().parse().unwrap();
    let (mut ok, mut n) = (0, 0);
    for l in t["line"].as_array().unwrap() {
        if l["split"].as_str() != Some("fit") {
            continue;
        }
        let text = l["text"].as_str().unwrap();
        let a = Appraisal::of_words(text, "en");
        let g = a.label().name();
        let also: Vec<&str> = l
            .get("also")
            .map(|a| a.as_array().unwrap().iter().map(|x| x.as_str().unwrap()).collect())
            .unwrap_or_default();
        n += 1;
        if g == l["feels"].as_str().unwrap() || also.contains(&g) {
            ok += 1;
        } else {
            let d: Vec<&str> = a.deeds().iter().map(|d| d.name).collect();
            println!("{g:9} not {:9} {text:?} {d:?}", l["feels"].as_str().unwrap());
        }
    }
    let _ = EmotionLabel::ALL;
    println!("{ok}/{n}");
}
