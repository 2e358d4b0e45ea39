import { checkConfigFile } from './checked-file.js';
import { ConfigFileError, parseConfigFile } from './config-file.js';
import { variablesOf } from './variable-names.js';

function problemOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigFileError) return error.message;
    throw error;
  }
  throw new Error('nothing was wrong');
}

describe('places in a file', () => {
  const text = `version: 1
upstreams:
  - &base
    name: a
    base_url: http://a
    extra_headers:
      X.Dotted.Name: \${SET}
  - *base
groups: [{ name: g, "queue_wait_ms": soon }]
`;
  const { places } = parseConfigFile('f', text, { SET: 'x' });

  it.each([
    ['', 1, 1],
    ['version', 1, 1],
    ['upstreams.0.base_url', 5, 5],
    ['upstreams.0.extra_headers.X.Dotted.Name', 7, 7],
    ['upstreams.1.name', 4, 5],
    ['groups.0.queue_wait_ms', 9, 21],
    // What is missing stands where it should be.
    ['groups.0.description', 9, 10],
    ['groups.7.name', 9, 1],
    ['nowhere', 1, 1],
  ])('%j is at line %i, column %i', (path, line, column) => {
    expect(places(path)).toEqual({ line, column });
  });
});

describe('references', () => {
  const upstream = (fields: string) => `version: 1\nupstreams:\n  - name: u\n    base_url: http://a\n${fields}`;

  it('are resolved where secrets and addresses stand, also within a value, and nowhere else', () => {
    const text = `${upstream('    credential: ${A}\n    http_proxy: http://u:${B}@p')}\ngroups: [{ name: "\${A}" }]`;
    const { value, warnings } = parseConfigFile('f', text, { A: 'one', B: 'two' });
    expect(value).toMatchObject({
      upstreams: [{ credential: 'one', http_proxy: 'http://u:two@p' }],
      groups: [{ name: '${A}' }],
    });
    expect(warnings).toEqual([]);
  });

  it.each([{}, { A: '' }])('to variables that are not set are errors with their place', (env) => {
    expect(problemOf(() => parseConfigFile('f.yaml', upstream('    credential: ${A}'), env))).toBe(
      'f.yaml:5:5: upstreams.0.credential needs the variable A, which is not set',
    );
  });

  it('are what secrets should be: one that stands there itself is warned of, but keep is none', () => {
    const warningsOf = (fields: string) =>
      parseConfigFile('f', upstream(fields), {}).warnings.map(({ path, line }) => `${line} ${path}`);
    expect(warningsOf('    credential: sk-1\n    http_proxy: http://u:p@h')).toEqual([
      '5 upstreams.0.credential',
      '6 upstreams.0.http_proxy',
    ]);
    expect(warningsOf('    credential: keep\n    http_proxy: http://h')).toEqual([]);
  });
});

describe('a document', () => {
  it('has all its mistakes told at once', () => {
    const file = parseConfigFile('f', 'version: 1\ngroups:\n  - name: ""\n    colour: red\nplans: []', {});
    expect(problemOf(() => checkConfigFile('f', file)).split('\n')).toEqual([
      'f:3:5: groups.0.name must not be empty',
      'f:4:5: groups.0.colour is not a known field',
      'f:5:1: plans is not a known field',
    ]);
  });

  it('that blows up by its aliases is refused', () => {
    const levels = Array.from({ length: 12 }, (_, i) =>
      `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`.replace(/\*a-1/g, 'x'),
    );
    expect(problemOf(() => parseConfigFile('f', levels.join('\n'), {}))).toContain('is not valid YAML');
  });
});

describe('variables of an export', () => {
  it('are named by what they belong to, and never the same for two', () => {
    expect([...variablesOf('T', ['my provider', 'my-provider', 'Ü', '2'])]).toEqual([
      ['my provider', 'T_MY_PROVIDER'],
      ['my-provider', 'T_MY_PROVIDER_2'],
      ['Ü', 'T__'],
      ['2', 'T_2'],
    ]);
  });
});
