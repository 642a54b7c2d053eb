//! Makes one tensor of `mib` MiB (32). Over the tensor cap the host traps; else the answer is the length it reports.
use modelet_sdk::{Error, Request, Response, Tensor, handler};
use modelet_test_guests::size;

handler!(huge);

fn huge(request: Request) -> Result<Response, Error> {
    let bytes = vec![1_u8; size(&request, "mib", 32)? << 20];
    let tensor = Tensor::vector(&bytes)?;
    Response::json(&tensor.dims())
}
