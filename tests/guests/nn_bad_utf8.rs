//! Makes a tensor of a string that is not UTF-8, which no string of Rust is: the host traps.
#![allow(unsafe_code, reason = "a hostile guest keeps to no language's rules")]
use modelet_sdk::modelet::nn::tensors::tensor_of_strings;
use modelet_sdk::{Error, Request, Response, handler};

handler!(lie);

fn lie(_: Request) -> Result<Response, Error> {
    // SAFETY: it is not sound, and that is the point; nothing in this guest reads the string as text.
    let text = unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) };
    match tensor_of_strings(&[1], &[text]) {
        Ok(_) => Ok(Response::text("made\n")),
        Err(error) => Err(Error::internal(error.data())),
    }
}
