// Does OpenPGP tasks with OpenPGP.js: each line of stdin is a request in JSON, each line of stdout its answer, until stdin
// ends. Keys, messages and signatures are armored text, data are base64. The first argument is the folder in which openpgp
// is installed.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const openpgp = createRequire(join(process.argv[2], 'package.json'))('openpgp');

const data = text => new Uint8Array(Buffer.from(text, 'base64'));
const base64 = bytes => Buffer.from(bytes).toString('base64');
const certificate = armoredKey => openpgp.readKey({ armoredKey });
const secret = armoredKey => openpgp.readPrivateKey({ armoredKey });

// The kinds of keys that it makes. aeadProtect sets the feature bit for SEIPDv2 (RFC 9580, section 5.2.3.32).
const kinds = {
  '': {},
  rsa3072: { type: 'rsa', rsaBits: 3072 },
  p256: { type: 'ecc', curve: 'nistP256' },
  'v4-25519': { type: 'curve25519' },
  aead: { config: { aeadProtect: true } },
  'v6-25519': { type: 'curve25519', config: { v6Keys: true, aeadProtect: true } },
  'v6-448': { type: 'curve448', config: { v6Keys: true, aeadProtect: true } },
};

const tasks = {
  async version() {
    const about = readFileSync(join(process.argv[2], 'node_modules', 'openpgp', 'package.json'), 'utf8');
    return { text: JSON.parse(about).version };
  },
  async generate({ name, email, kind }) {
    const { privateKey } = await openpgp.generateKey({ userIDs: [{ name, email }], ...kinds[kind] });
    return { text: privateKey };
  },
  async certificate({ key }) {
    return { text: (await secret(key)).toPublic().armor() };
  },
  async encrypt({ plain, certificates, signer }) {
    const text = await openpgp.encrypt({
      message: await openpgp.createMessage({ binary: data(plain) }),
      encryptionKeys: await Promise.all(certificates.map(certificate)),
      signingKeys: signer ? await secret(signer) : undefined,
    });
    return { text };
  },
  async decrypt({ message, key, signer }) {
    const opened = await openpgp.decrypt({
      message: await openpgp.readMessage({ armoredMessage: message }),
      decryptionKeys: await secret(key),
      verificationKeys: signer ? await certificate(signer) : undefined,
      expectSigned: Boolean(signer),
      format: 'binary',
    });
    return { data: base64(opened.data) };
  },
  async sign({ plain, key }) {
    const message = await openpgp.createMessage({ binary: data(plain) });
    return { text: await openpgp.sign({ message, signingKeys: await secret(key), detached: true }) };
  },
  async verify({ plain, signature, signer }) {
    await openpgp.verify({
      message: await openpgp.createMessage({ binary: data(plain) }),
      signature: await openpgp.readSignature({ armoredSignature: signature }),
      verificationKeys: await certificate(signer),
      expectSigned: true,
    });
    return {};
  },
  async clearsign({ plain, key }) {
    const message = await openpgp.createCleartextMessage({ text: Buffer.from(plain, 'base64').toString() });
    return { text: await openpgp.sign({ message, signingKeys: await secret(key) }) };
  },
  async readClearsigned({ message, signer }) {
    const opened = await openpgp.verify({
      message: await openpgp.readCleartextMessage({ cleartextMessage: message }),
      verificationKeys: await certificate(signer),
      expectSigned: true,
    });
    return { text: opened.data };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await tasks[request.task](request);
  } catch (problem) {
    answer = { problem: problem.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
