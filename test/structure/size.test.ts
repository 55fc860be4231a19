import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSource, sourceFiles } from '../support/source-tree.ts';

/** Most lines of a file. Function size is the linters' business: eslint's max-lines-per-function, clippy's too_many_lines. */
const FILE_LINES_MAX = 400;
/** Most files of one folder: past it the room is crowded and wants splitting. */
const FOLDER_FILES_MAX = 20;

const files = sourceFiles(['src', 'workers', 'crates', 'bench', 'test', 'handlers'], ['.ts', '.rs', '.c', '.h']);

test(`no source file is longer than ${FILE_LINES_MAX} lines`, () => {
  assert.ok(files.length > 50, 'the files were found');
  const long = files
    .map(path => ({ path, lines: readSource(path).split('\n').length }))
    .filter(({ lines }) => lines > FILE_LINES_MAX);
  assert.deepEqual(long, []);
});

test(`no source folder holds more than ${FOLDER_FILES_MAX} files`, () => {
  const sources = files.filter(path => !path.startsWith('test/') && !path.includes('/tests/ui/'));
  const folders = Map.groupBy(sources, path => path.slice(0, path.lastIndexOf('/')));
  const crowded = [...folders].filter(([, inside]) => inside.length > FOLDER_FILES_MAX).map(([folder]) => folder);
  assert.deepEqual(crowded, []);
});
