//! Names inside patterns: of groups, of POSIX classes, of Unicode classes.

use super::PatternError;
use super::scan::Scan;

/// Reads the rest of `(?P<name>` or `(?<name>` after its `(?`; false where
/// the group has no name. The name itself is of no use here.
pub(super) fn capture(scan: &mut Scan<'_>, start: &Scan<'_>) -> Result<bool, PatternError> {
    if !scan.eat("P<") && !scan.eat("<") {
        return Ok(false);
    }
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    match scan.until(">") {
        Some(name) if !name.is_empty() && name.chars().all(is_word) => Ok(true),
        _ => start.fault("a group's name is letters, digits and `_`, closed by `>`"),
    }
}

/// The members of `[:name:]`.
pub(super) fn posix_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t\\x20",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "\\x21-\\x7E",
        "lower" => "a-z",
        "print" => "\\x20-\\x7E",
        "punct" => "\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E",
        "space" => "\\x09-\\x0D\\x20",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

/// The members of `\p{name}`; case, `_`, `-` and spaces in a name don't
/// count.
pub(super) fn unicode_class(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(|char| !"_- ".contains(*char)).collect();
    let is = |known: &&str| known.replace('_', "").eq_ignore_ascii_case(&plain);
    // Text has no surrogates, and the engine no class of them.
    if ["Cs", "Surrogate"].iter().any(is) {
        return Some("[^\\x{0}-\\x{10FFFF}]".to_owned());
    }
    let named = |kind: &str, known: &&str| format!("\\p{{{kind}{known}}}");
    let find = |names: &[&'static str], kind: &str| {
        names.iter().find(|known| is(known)).map(|known| named(kind, known))
    };
    find(&["Any", "Assigned", "ASCII"], "")
        .or_else(|| find(CATEGORIES, "gc="))
        .or_else(|| find(SCRIPTS, "sc="))
}

/// Unicode's categories, short and long.
#[rustfmt::skip]
const CATEGORIES: &[&str] = &[
    "C", "Cc", "Cf", "Cn", "Co", "L", "LC", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd",
    "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp",
    "Zs", "Cased_Letter", "Close_Punctuation", "Combining_Mark", "Connector_Punctuation", "Control",
    "Currency_Symbol", "Dash_Punctuation", "Decimal_Number", "Enclosing_Mark", "Final_Punctuation", "Format",
    "Initial_Punctuation", "Letter", "Letter_Number", "Line_Separator", "Lowercase_Letter", "Mark",
    "Math_Symbol", "Modifier_Letter", "Modifier_Symbol", "Nonspacing_Mark", "Number", "Open_Punctuation",
    "Other", "Other_Letter", "Other_Number", "Other_Punctuation", "Other_Symbol", "Paragraph_Separator",
    "Private_Use", "Punctuation", "Separator", "Space_Separator", "Spacing_Mark", "Symbol",
    "Titlecase_Letter", "Unassigned", "Uppercase_Letter", "cntrl", "digit", "punct",
];

/// Scripts whose names are one word: Go 1.26 knows no others in patterns.
#[rustfmt::skip]
const SCRIPTS: &[&str] = &[
    "Adlam", "Ahom", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Batak", "Bengali",
    "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Carian", "Chakma", "Cham",
    "Cherokee", "Chorasmian", "Common", "Coptic", "Cuneiform", "Cypriot", "Cyrillic", "Deseret",
    "Devanagari", "Dogra", "Duployan", "Elbasan", "Elymaic", "Ethiopic", "Georgian", "Glagolitic",
    "Gothic", "Grantha", "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hanunoo", "Hatran",
    "Hebrew", "Hiragana", "Inherited", "Javanese", "Kaithi", "Kannada", "Katakana", "Kawi",
    "Kharoshthi", "Khmer", "Khojki", "Khudawadi", "Lao", "Latin", "Lepcha", "Limbu", "Lisu", "Lycian",
    "Lydian", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen", "Medefaidrin",
    "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nandinagari", "Newa", "Nko",
    "Nushu", "Ogham", "Oriya", "Osage", "Osmanya", "Palmyrene", "Phoenician", "Rejang", "Runic",
    "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "Sinhala", "Sogdian", "Soyombo",
    "Sundanese", "Syriac", "Tagalog", "Tagbanwa", "Takri", "Tamil", "Tangsa", "Tangut", "Telugu",
    "Thaana", "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi", "Wancho",
    "Yezidi", "Yi",
];
