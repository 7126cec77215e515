//! Figures as words: `10:30`, `3rd`, `1,250`, `2.5`, `1412`.
//!
//! Phoneme lists hold no figures, and what is not turned into words here would be silent.

use num2words::Num2Words;

/// Longer rows of figures are read one by one, as a telephone number is.
const FIGURES_MAX: usize = 15;
/// Years as people say them: in two halves.
const YEARS: [std::ops::RangeInclusive<i64>; 2] = [1100..=1999, 2010..=2099];

/// A number at the beginning of a text: how many bytes it takes, and its words.
pub fn at_beginning(text: &str) -> Option<(usize, Vec<String>)> {
    let figures = count_figures(text);
    if figures == 0 {
        return None;
    }
    clock(text).or_else(|| Some(plain(text, figures)))
}

fn count_figures(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `10:30`, `9:05`, `12:00`.
fn clock(text: &str) -> Option<(usize, Vec<String>)> {
    let hour_figures = count_figures(text);
    let minutes = text[hour_figures..].strip_prefix(':')?;
    if hour_figures > 2 || count_figures(minutes) != 2 {
        return None;
    }
    let hour: i64 = text[..hour_figures].parse().ok()?;
    let minute: i64 = minutes[..2].parse().ok()?;
    if hour > 24 || minute > 59 {
        return None;
    }
    let mut words = cardinal(hour);
    match minute {
        0 => words.push("o'clock".into()),
        1..=9 => words.push("oh".into()),
        _ => {}
    }
    if minute > 0 {
        words.extend(cardinal(minute));
    }
    Some((hour_figures + 1 + 2, words))
}

fn plain(text: &str, figures: usize) -> (usize, Vec<String>) {
    let (mut length, whole) = with_thousands(text, figures);
    let rest = &text[length..];
    let ending = ["st", "nd", "rd", "th"].into_iter().find(|ending| {
        let after = rest.as_bytes().get(ending.len());
        rest.get(..ending.len()).is_some_and(|found| found.eq_ignore_ascii_case(ending))
            && !after.is_some_and(u8::is_ascii_alphanumeric)
    });
    let number = (whole.len() <= FIGURES_MAX && !leads_with_zero(&whole)).then(|| whole.parse::<i64>().ok());
    let Some(number) = number.flatten() else { return (length, one_by_one(&whole)) };
    if let Some(ending) = ending {
        return (length + ending.len(), ordinal(number));
    }
    let grouped = length > figures;
    let mut words = if figures == 4 && !grouped && YEARS.iter().any(|years| years.contains(&number)) {
        year(number)
    } else {
        cardinal(number)
    };
    // `2.5`, and also every further part of `1.2.3`.
    while let Some(decimals) = text[length..].strip_prefix('.').map(count_figures).filter(|count| *count > 0)
    {
        words.push("point".into());
        words.extend(one_by_one(&text[length + 1..length + 1 + decimals]));
        length += 1 + decimals;
    }
    (length, words)
}

/// `1,250,000` without its commas, and how long it was with them.
fn with_thousands(text: &str, figures: usize) -> (usize, String) {
    let mut whole = text[..figures].to_owned();
    let mut length = figures;
    if figures > 3 {
        return (length, whole);
    }
    while let Some(group) = text[length..].strip_prefix(',').filter(|rest| count_figures(rest) == 3) {
        whole.push_str(&group[..3]);
        length += 1 + 3;
    }
    (length, whole)
}

fn leads_with_zero(figures: &str) -> bool {
    figures.len() > 1 && figures.starts_with('0')
}

fn year(number: i64) -> Vec<String> {
    let mut words = cardinal(number / 100);
    match number % 100 {
        0 => words.push("hundred".into()),
        rest => {
            if rest < 10 {
                words.push("oh".into());
            }
            words.extend(cardinal(rest));
        }
    }
    words
}

fn cardinal(number: i64) -> Vec<String> {
    as_words(Num2Words::new(number).to_words().ok(), number)
}

fn ordinal(number: i64) -> Vec<String> {
    as_words(Num2Words::new(number).ordinal().to_words().ok(), number)
}

fn as_words(said: Option<String>, number: i64) -> Vec<String> {
    let Some(said) = said else { return one_by_one(&number.to_string()) };
    let words = said.split(|sign: char| !sign.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn one_by_one(figures: &str) -> Vec<String> {
    const NAMES: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    figures.bytes().map(|figure| NAMES[usize::from(figure.saturating_sub(b'0').min(9))].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_people_say_them() {
        let cases = [
            ("10:30", "ten thirty"),
            ("9:05 am", "nine oh five"),
            ("12:00", "twelve o'clock"),
            ("10:75", "ten"),
            ("0", "zero"),
            ("42", "forty two"),
            ("3rd", "third"),
            ("21st of", "twenty first"),
            ("5things", "five"),
            ("1,250", "one thousand two hundred and fifty"),
            ("12,50", "twelve"),
            ("2.5", "two point five"),
            ("3. Then", "three"),
            ("1412", "fourteen twelve"),
            ("1905", "nineteen oh five"),
            ("1900", "nineteen hundred"),
            ("2024", "twenty twenty four"),
            ("2003", "two thousand three"),
            ("007", "zero zero seven"),
            ("99999999999999999999", &["nine"; 20].join(" ")),
        ];
        for (text, expected) in cases {
            let (length, words) = at_beginning(text).unwrap();
            assert_eq!(words.join(" ").replace(" and ", " "), expected.replace(" and ", " "), "{text}");
            assert!(length <= text.len() && length > 0, "{text}");
        }
        assert_eq!(at_beginning("ten"), None);
        assert_eq!(at_beginning("3rd").unwrap().0, 3);
        assert_eq!(at_beginning("1,250 gold").unwrap().0, 5);
    }
}
