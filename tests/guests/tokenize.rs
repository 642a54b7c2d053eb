//! Splits text into the pieces of a vocabulary, as WordPiece does: the body is the text, the answer
//! `{"count": of pieces, "pieces": the first hundred}`. A piece within a word begins with `##`; a word that has a letter outside of
//! the vocabulary is `[UNK]`. With `n` it is split so often. The tables are made once per instance.
use std::collections::HashSet;
use std::sync::LazyLock;

use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(tokenize);

const SHOWN: usize = 100;

/// A longer word is unknown, as with BERT.
const WORD_MAX: usize = 100;

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// What begins a word, beside single letters.
const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have had from or one \
    they you all we her she there would their will when who him been has more if no out so said what up its about into than \
    them can only other new some could time these two may then do first any my now such like our over man me even most made \
    after also did many before must through back years where much your way well down should because each just those people \
    mister how too little state good very make world still own see men work long get here between both life being under never \
    day same another know while last might us great old year off come since against go came right used take three load serve \
    run call ask answer model function instance guest host memory server quick brown fox jump lazy dog token piece word";

/// What goes on within a word, beside single letters.
const ENDINGS: &str = "s es ed er ers ing ings ly tion ation ment ness ful less able ible al ial ic ous ive ize ise y ies est \
    en ance ence ity ism ist hood ship ward wise th nd rd st ee or ar ate ify un re in dis over under out up down";

struct Vocabulary {
    begins: HashSet<&'static str>,
    goes_on: HashSet<&'static str>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let letters = || LETTERS.split("").filter(|letter| !letter.is_empty());
    let with_letters = |words: &'static str| words.split_whitespace().chain(letters()).collect();
    Vocabulary { begins: with_letters(WORDS), goes_on: with_letters(ENDINGS) }
});

/// A part of the text.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Begin(&'a str),
    GoesOn(&'a str),
    Unknown,
}

fn tokenize(request: Request) -> Result<Response, Error> {
    let times = number(&request, "n", 1)?.max(1);
    let text = std::str::from_utf8(request.bytes()?).map_err(|_| Error::bad_request("the body is no UTF-8"))?;
    let mut count = 0;
    for _ in 0..times {
        let text = std::hint::black_box(text).to_lowercase();
        count = pieces(&text).len();
    }
    let text = text.to_lowercase();
    let shown: Vec<String> = pieces(&text).iter().take(SHOWN).map(Piece::text).collect();
    Response::json(&json!({ "count": count, "pieces": shown }))
}

impl Piece<'_> {
    fn text(&self) -> String {
        match self {
            Self::Begin(text) => (*text).to_owned(),
            Self::GoesOn(text) => format!("##{text}"),
            Self::Unknown => "[UNK]".to_owned(),
        }
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    for word in text.split_whitespace().flat_map(|word| word.split_inclusive(|c: char| c.is_ascii_punctuation())) {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
        let (letters, mark) = word.split_at(letters.len());
        if !letters.is_empty() {
            split(letters, &mut all);
        }
        if !mark.is_empty() {
            all.push(Piece::Begin(mark));
        }
    }
    all
}

/// The longest piece that fits, again and again.
fn split<'a>(word: &'a str, all: &mut Vec<Piece<'a>>) {
    let (before, mut rest) = (all.len(), word);
    while !rest.is_empty() && word.len() <= WORD_MAX {
        let is_begin = rest.len() == word.len();
        let known = if is_begin { &VOCABULARY.begins } else { &VOCABULARY.goes_on };
        let longest = (1..=rest.len()).rev().filter_map(|at| rest.split_at_checked(at));
        let Some((piece, left)) = longest.into_iter().find(|(piece, _)| known.contains(piece)) else { break };
        all.push(if is_begin { Piece::Begin(piece) } else { Piece::GoesOn(piece) });
        rest = left;
    }
    if !rest.is_empty() {
        all.truncate(before);
        all.push(Piece::Unknown);
    }
}
