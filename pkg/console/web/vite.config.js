import { defineConfig } from 'vite';

// All addresses are relative, since the page may be served below any path.
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { license: { fileName: 'licenses.md' }, target: 'es2022', modulePreload: false, assetsInlineLimit: 0, reportCompressedSize: true, chunkSizeWarningLimit: 200 },
  worker: { format: 'es' },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/auth': 'http://127.0.0.1:8080' } },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
