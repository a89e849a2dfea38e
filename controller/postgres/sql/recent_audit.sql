WITH recent AS MATERIALIZED (
  SELECT {{audit.read}} FROM {{audit}} a ORDER BY a.{{key}} DESC LIMIT 20000
)
