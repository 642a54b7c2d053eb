//! A function that imports what no server offers, `modelet:test/secret@1.0.0`; it is refused by that name.
use modelet_sdk::{Error, Request, Response, handler};

handler!(tell);

mod bindings {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet:test@1.0.0;
            interface secret {
                reveal: func() -> string;
            }
            world teller {
                import secret;
            }
        ",
    });
}

fn tell(_: Request) -> Result<Response, Error> {
    Ok(Response::text(bindings::modelet::test::secret::reveal()))
}
