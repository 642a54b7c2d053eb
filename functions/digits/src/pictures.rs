//! [`Pictures`]: many pictures read from JSON into one flat list, as the model wants them.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// How many pixels a picture has.
pub(crate) const PIXELS: usize = 64;

/// Pictures, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    /// `count` times [`PIXELS`] grey values.
    pub(crate) pixels: Vec<f32>,
    /// How many pictures there are.
    pub(crate) count: usize,
}

impl<'de> Deserialize<'de> for Pictures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

/// Reads the list of pictures.
struct List;

impl<'de> Visitor<'de> for List {
    type Value = Pictures;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of pictures of {PIXELS} numbers each")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pictures, A::Error> {
        let mut pictures = Pictures::default();
        while list.next_element_seed(Picture(&mut pictures))?.is_some() {}
        Ok(pictures)
    }
}

/// Reads one picture to the end of those there are.
struct Picture<'a>(&'a mut Pictures);

impl<'de> DeserializeSeed<'de> for Picture<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Picture<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a picture of {PIXELS} numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut picture: A) -> Result<(), A::Error> {
        let Pictures { pixels, count } = self.0;
        let before = pixels.len();
        pixels.reserve(PIXELS);
        while let Some(pixel) = picture.next_element()? {
            pixels.push(pixel);
        }
        let found = pixels.len() - before;
        if found != PIXELS {
            return Err(de::Error::invalid_length(found, &format!("{PIXELS} numbers in picture {count}").as_str()));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_read_flat() {
        let picture: Vec<usize> = (0..PIXELS).collect();
        let pictures: Pictures = serde_json::from_value(serde_json::json!([picture, picture])).unwrap();
        assert_eq!(pictures.count, 2);
        assert_eq!(pictures.pixels.len(), 2 * PIXELS);
        assert_eq!(pictures.pixels[PIXELS + 3], 3.0);
    }

    #[test]
    fn a_picture_of_another_size_is_named() {
        let error = serde_json::from_str::<Pictures>("[[1,2,3]]").unwrap_err().to_string();
        assert!(error.contains("invalid length 3, expected 64 numbers in picture 0"), "{error}");
        assert!(serde_json::from_str::<Pictures>("[[\"a\"]]").is_err());
        assert!(serde_json::from_str::<Pictures>("[1]").is_err());
    }
}
