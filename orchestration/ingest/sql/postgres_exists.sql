SELECT EXISTS (SELECT 1 FROM {{ table }} WHERE {% include 'table_day.sql' %})
