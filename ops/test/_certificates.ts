import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  certFile: string;
  keyFile: string;
}

/** Creates a certificate authority that signs for 127.0.0.1 only. */
export async function createAuthority(dir: string) {
  const ca = fileNames("ca");
  await openssl("req", "-x509", ...newKey(ca.keyFile), "-subj", "/CN=ca", "-out", ca.certFile);

  function fileNames(name: string): Certificate {
    return { certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) };
  }

  return {
    caFile: ca.certFile,
    async sign(name: string): Promise<Certificate> {
      const { certFile, keyFile } = fileNames(name);
      const [request, extensions] = [join(dir, `${name}.csr`), join(dir, `${name}.ext`)];
      writeFileSync(extensions, "subjectAltName = IP:127.0.0.1\n");
      await openssl("req", ...newKey(keyFile), "-subj", `/CN=${name}`, "-out", request);
      const signer = ["-CA", ca.certFile, "-CAkey", ca.keyFile, "-CAcreateserial"];
      const result = ["-extfile", extensions, "-out", certFile];
      await openssl("x509", "-req", "-in", request, ...signer, ...result);
      return { certFile, keyFile };
    },
  };
}

const newKey = (file: string) =>
  ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file] as const;

async function openssl(...args: string[]): Promise<void> {
  const child = Bun.spawn(["openssl", ...args], { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(await child.stderr.text());
}
