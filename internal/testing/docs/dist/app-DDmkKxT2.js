import '/_chunk.js';
