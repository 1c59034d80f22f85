import test from 'ava'
import { html } from '../../app/core/page.ts'

test('text in HTML is text, whatever signs it has', (t) => {
  const name = `<script>alert("it's & so on")</script>`
  t.is(
    html`<p title="${name}">${name}</p>`.source,
    '<p title="&lt;script&gt;alert(&quot;it&#39;s &amp; so on&quot;)&lt;/script&gt;">' +
      '&lt;script&gt;alert(&quot;it&#39;s &amp; so on&quot;)&lt;/script&gt;</p>',
  )
})

test('HTML in HTML stands as it is, also as a list', (t) => {
  const items = ['a', '<b>'].map((name, at) => html`<li value="${at + 1}">${name}</li>`)
  t.is(html`<ol>${items}</ol>`.source, '<ol><li value="1">a</li><li value="2">&lt;b&gt;</li></ol>')
})
