/** Handlers of the chaos suite: each says which generation it is, whom it answers, and notes down that it ran. */
import { kit } from '../support/code.ts';
import type { EndpointOptions } from '../support/gateway.ts';

/** Names the file that handlers add a line to, `{request id}`, whenever they run. */
export const EXECUTIONS_VARIABLE = 'HANDLER_CHAOS_EXECUTIONS';

/**
 * `witness`: waits `ms`, then says who it is. A file of an image is closed with it, so each image opens its own; where
 * that fails (no descriptor is left), the answer says that nothing was recorded.
 */
const witness = (text: string): string => `
mod witness {
    use rust_edge_gateway_sdk::prelude::*;
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::Mutex;
    use std::time::Duration;

    static EXECUTIONS: Mutex<Option<File>> = Mutex::new(None);

    pub fn record(request_id: &str) -> bool {
        let mut file = EXECUTIONS.lock().unwrap();
        if file.is_none() {
            let path = std::env::var("${EXECUTIONS_VARIABLE}").unwrap();
            *file = OpenOptions::new().append(true).open(path).ok();
        }
        // One write of a whole line: lines of several processes do not mix.
        let line = format!("{request_id}\\n");
        file.as_mut().is_some_and(|file| file.write_all(line.as_bytes()).is_ok())
    }

    pub async fn testify(ctx: &Context, req: &Request, recorded: bool) -> Response {
        let ms = req.query_param_as::<u64>("ms").unwrap_or(0);
        if ms > 0 {
            ctx.sleep(Duration::from_millis(ms)).await;
        }
        let mut said = json!({ "text": ${JSON.stringify(text)}, "request_id": ctx.request_id, "recorded": recorded });
        if req.is_method("POST") {
            said["digest"] = json!(format!("{:08x}", digest(req.body_ref())));
        }
        Response::ok(said)
    }

    fn digest(bytes: &[u8]) -> u32 {
        bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}
`;

/** FNV-1a, as the handlers compute it. */
export function digest(bytes: Buffer): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

export const witnessing = (text: string): string => `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Response {
    let recorded = witness::record(&ctx.request_id);
    witness::testify(ctx, &req, recorded).await
}
${witness(text)}`;

/** `suspect`: a fault inside libc, where nobody knows what it leaves behind. */
const SUSPECT = `
mod suspect {
    extern "C" fn greater(_: *const libc::c_void, _: *const libc::c_void) -> i32 {
        1
    }

    pub fn fault() {
        // SAFETY: none: nothing is there, and that is what is wanted.
        unsafe { libc::qsort(std::hint::black_box(8 as *mut _), 2, 4, Some(greater)) };
    }
}
`;

const KIT_BEGINS = 'let op: String = req.require_query_param("op")?;';

/** The kit of misdeeds, which notes down that it ran too; `?op=witness` makes it a witness, `?op=suspect` a suspect. */
export function misbehaving(text: string): string {
  const { code } = kit();
  if (!code.includes(KIT_BEGINS)) throw new Error('The kit does not begin as the chaos suite expects.');
  const begins = `let recorded = witness::record(&ctx.request_id);
    ${KIT_BEGINS}
    if op == "witness" {
        return Ok(witness::testify(ctx, &req, recorded).await);
    }
    if op == "suspect" {
        suspect::fault();
    }`;
  return code.replace(KIT_BEGINS, begins) + witness(text) + SUSPECT;
}

export const MISBEHAVING_OPTIONS: Partial<EndpointOptions> = { dependencies: { libc: '0.2' } };
